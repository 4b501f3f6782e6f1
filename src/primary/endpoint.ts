/**
 * Tries the public address before any worker listens there. With SO_REUSEPORT a second gateway would share the port
 * in silence, and uWebSockets.js does not say why it can't listen; so the operator is told here, in one line.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { formatAddress } from '../config/address.js';
import type { ListenAddress } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
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
 * Where ports are taken from when the configuration says 0. Not from the range that Linux gives to outgoing connections
 * (`ip_local_port_range`, from 32768 on), as it would by itself: one of those may have the port before a worker listens.
 */
const CHOSEN_FROM = 10_000;
const CHOSEN_TO = 32_767;

/**
 * @returns the port, chosen by chance where the configuration says 0.
 * @throws OperatorError when the address can't be listened on.
 */
export async function probeAddress(address: ListenAddress): Promise<number> {
  if (address.port === 0) {
    for (let tries = 0; tries < BOUNDS.chosenPortTriesMax; tries += 1) {
      const port = randomInt(CHOSEN_FROM, CHOSEN_TO);
      const isFree = await probePort({ ...address, port }).then(
        () => true,
        () => false,
      );
      if (isFree) return port;
    }
  }
  // Where none was free the system may choose, or says what is wrong with the address.
  return probePort(address);
}

function probePort(address: ListenAddress): Promise<number> {
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
