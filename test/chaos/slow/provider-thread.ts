/**
 * The provider of large answers, in a thread of its own; tells its port, then now and then how many of these answers are
 * under way, and how many of them stand still.
 */
import { parentPort } from 'node:worker_threads';
import { BulkUpstream } from '../../helpers/bulk-upstream.js';

export type ProviderNews =
  | { readonly port: number }
  | { readonly underWay: number; readonly stalled: number };

const TELL_MS = 200;

if (parentPort !== null) {
  const port = parentPort;
  const upstream = await BulkUpstream.start();
  const tell = (news: ProviderNews): void => port.postMessage(news);
  tell({ port: upstream.port });
  const telling = setInterval(() => {
    const large = upstream.connections.filter(
      ({ isOpen, target }) => isOpen && target.includes('bytes='),
    );
    tell({ underWay: large.length, stalled: large.filter(({ isStalled }) => isStalled).length });
  }, TELL_MS);
  port.once('message', () => {
    clearInterval(telling);
    void upstream.stop().then(() => port.close());
  });
}
