/**
 * Tries the public address before any worker listens there. With SO_REUSEPORT a second gateway would share the port
 * in silence, and uWebSockets.js does not say why it can't listen; so the operator is told here, in one line.
 */
import { createServer } from 'node:net';
import { formatAddress } from '../config/address.js';
import type { ListenAddress } from '../config/model.js';
import { OperatorError } from '../core/errors.js';
import type { Inheritance } from '../supervisor/protocol.js';

const MISTAKES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'no permission to listen on this port',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'this host name is unknown',
  EAFNOSUPPORT: 'this machine does not speak that kind of address',
};

/** What an operator did wrong, `field` being the one of the configuration; null where it was not the operator. */
export function describeListenError(
  field: string,
  address: ListenAddress,
  error: NodeJS.ErrnoException,
): OperatorError | null {
  const mistake = MISTAKES[error.code ?? ''];
  return mistake === undefined
    ? null
    : new OperatorError(`${field} ${formatAddress(address)}: ${mistake}`);
}

/**
 * @returns the port, chosen by the system where the configuration says 0.
 * @throws OperatorError when the address can't be listened on.
 */
export function probeAddress(address: ListenAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      reject(describeListenError('listen', address, error) ?? error);
    });
    probe.listen({ host: address.host, port: address.port, exclusive: true }, () => {
      const bound = probe.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
      probe.close(() => resolve(port));
    });
  });
}

/**
 * The port of the server before this one, also where the system chose it, if the same was asked for; where that one
 * still listens the two share it. Else as probeAddress().
 */
export async function findPort(
  { host, port }: ListenAddress,
  inheritance: Inheritance | null,
): Promise<number> {
  const before = inheritance?.listen ?? null;
  const isSame = before !== null && before.host === host && before.port === port;
  if (isSame && inheritance?.isSuccessor === true) return before.boundPort;
  return probeAddress({ host, port: isSame ? before.boundPort : port });
}
