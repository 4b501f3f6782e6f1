/** Requests over TLS on connections of their own or kept, with the certificate that the server showed. */
import { type Agent, request } from 'node:https';
import { type ConnectionOptions, connect, type PeerCertificate, type TLSSocket } from 'node:tls';

export interface TlsReply {
  readonly status: number;
  readonly body: string;
  /** Of the certificate that the server showed. */
  readonly fingerprint: string;
  readonly connection: string | undefined;
}

export interface TlsAsk extends ConnectionOptions {
  readonly port: number;
  readonly path?: string;
  /** Left out: a connection of its own. */
  readonly agent?: Agent;
}

const BODY = '{"model":"m"}';

/** POSTs a small body. Whoever is there is trusted unless `ca` is given. */
export function askTls({ port, path = '/v1/x', agent, ...tls }: TlsAsk): Promise<TlsReply> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': BODY.length };
    const where = { host: '127.0.0.1', port, path, method: 'POST', headers };
    const rejectUnauthorized = tls.ca !== undefined;
    const outgoing = request(
      { ...where, rejectUnauthorized, ...tls, agent: agent ?? false },
      (response) => {
        const { fingerprint256 } = readPeer(response.socket as TLSSocket);
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(pieces).toString(),
            fingerprint: fingerprint256,
            connection: response.headers.connection,
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(BODY);
  });
}

/** A resumed session of TLS 1.3 shows no certificate again; then the fingerprint is empty. */
function readPeer(socket: TLSSocket): Pick<PeerCertificate, 'fingerprint256'> {
  const peer = socket.getPeerCertificate();
  return { fingerprint256: peer.fingerprint256 ?? '' };
}

/** What was agreed on, or the error's code. */
export function shakeHands(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', rejectUnauthorized: false, ...options });
    socket.on('secureConnect', () => {
      resolve(`${socket.getProtocol()} ${socket.getCipher().standardName}`);
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
