/**
 * Collects request bodies within bounds. A body that comes in one chunk, as nearly all do, is read in place.
 */
import type { Downstream } from '../accept/downstream.js';
import { BODY_BYTES_MAX, BODY_BYTES_TOTAL_MAX } from './bounds.js';
import { RequestError } from './errors.js';

let heldBytes = 0;

/**
 * @param onBody gets borrowed memory: it must be read within the call.
 * @returns releases what is held; to be called when the client goes before the body is whole.
 */
export function collectBody(
  downstream: Downstream,
  onBody: (body: Buffer) => void,
  onRefused: (error: RequestError) => void,
): () => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let isOver = false;
  const release = (): void => {
    heldBytes -= isOver ? 0 : bytes;
    isOver = true;
    chunks = [];
  };
  const onBodyChunk = (chunk: Buffer, isLast: boolean): void => {
    if (isOver) {
      return;
    }
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (isLast && bytes === 0 && view.length <= BODY_BYTES_MAX) {
      isOver = true;
      onBody(view);
      return;
    }
    const total = bytes + view.length;
    if (total > BODY_BYTES_MAX || heldBytes + view.length > BODY_BYTES_TOTAL_MAX) {
      release();
      onRefused(refuse(total > BODY_BYTES_MAX));
      return;
    }
    chunks.push(Buffer.from(view));
    bytes = total;
    heldBytes += view.length;
    if (isLast) {
      const body = Buffer.concat(chunks);
      release();
      onBody(body);
    }
  };
  downstream.readBody({ onBodyChunk });
  return release;
}

function refuse(isTooLarge: boolean): RequestError {
  return isTooLarge
    ? new RequestError(413, `The body must be at most ${BODY_BYTES_MAX} bytes long.`, null, true)
    : new RequestError(503, 'The simulated LLM holds as many bytes as it may.', null, true);
}
