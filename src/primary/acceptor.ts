/**
 * Who takes connections: the primary's acceptor, which hands them to the workers in turn, or the kernel through
 * SO_REUSEPORT. The acceptor spreads evenly (64 connections over 8 workers: 8 each); SO_REUSEPORT hashes.
 */
import { Listener } from '../accept/listener.js';
import { canReadCertificates } from '../accept/uws.js';
import type { PublicTls, WeirConfig } from '../config/model.js';
import { OperatorError } from '../core/errors.js';

export type AcceptMode = 'acceptor' | 'reuseport';

/**
 * @throws OperatorError when the configuration asks for an acceptor and the binary has none, or TLS is to be served by
 *   one, which ends the process in native code (uNetworking/uWebSockets.js#1119), or the PROXY protocol is to be spoken
 *   with it, or by a release that can't.
 */
export function chooseAcceptMode(config: Pick<WeirConfig, 'accept' | 'listen'>): AcceptMode {
  const isProxied = config.listen.proxyProtocol !== 'off';
  if (isProxied) checkProxyProtocol();
  if (config.accept === 'reuseport') {
    return 'reuseport';
  }
  const canShard = createProbe().canShard;
  const hasTls = config.listen.tls !== null;
  if (config.accept === 'auto') {
    return canShard && !hasTls && !isProxied ? 'acceptor' : 'reuseport';
  }
  if (hasTls || isProxied) {
    throw new OperatorError(
      `accept: acceptor does not work with listen.${hasTls ? 'tls' : 'proxy_protocol'}; use reuseport or auto`,
    );
  }
  if (!canShard) {
    throw new OperatorError(
      `accept: acceptor needs a uWebSockets.js binary that has addChildAppDescriptor; the one for Node ${process.versions.node} has not. Use reuseport or auto, or a newer Node`,
    );
  }
  return 'acceptor';
}

/**
 * Header and request are read by two different sockets; several workers can listen with Node's own, and can tell
 * connections of it apart, only where both Node and the binary are new enough.
 *
 * @throws OperatorError
 */
function checkProxyProtocol(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const canSharePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
  if (!canSharePort || !canReadCertificates()) {
    throw new OperatorError(
      `listen.proxy_protocol needs Node 22.12 or newer; this is ${process.versions.node}. Use off, and a balancer that writes x-forwarded-for`,
    );
  }
}

/** @throws OperatorError where clients must show certificates and this binary can't tell whether they did. */
export function checkClientAuth({ clientCa, clientAuth }: PublicTls): void {
  if (clientCa !== null && clientAuth === 'require' && !canReadCertificates()) {
    throw new OperatorError(
      `listen.tls.client_ca needs a uWebSockets.js binary that has getX509Certificate; the one for Node ${process.versions.node} has not, and would let in clients without a certificate. Use client_auth: request, or Node 22 or newer`,
    );
  }
}

/** The primary's app that accepts for all workers. It serves no request itself. */
export class Acceptor {
  readonly #listener = createProbe();
  /** By the workers' indexes. */
  readonly #children = new Map<number, unknown>();

  addWorker(index: number, descriptor: unknown): void {
    this.#children.set(index, descriptor);
    this.#listener.addChild(descriptor);
  }

  removeWorker(index: number): void {
    if (this.#children.has(index)) {
      this.#listener.removeChild(this.#children.get(index));
      this.#children.delete(index);
    }
  }

  listen(host: string, port: number): void {
    this.#listener.listen(host, port);
  }

  /** New connections are refused; must come before the workers are asked to end (T-1, T-2). */
  stop(): void {
    this.#listener.stopListening();
    for (const index of this.#children.keys()) {
      this.removeWorker(index);
    }
  }

  close(): void {
    this.#listener.close();
  }
}

function createProbe(): Listener {
  return new Listener({
    tls: null,
    addresses: null,
    peers: null,
    onRequest: (downstream) => downstream.cut(),
    onFault: () => {},
    onConnections: () => {},
  });
}
