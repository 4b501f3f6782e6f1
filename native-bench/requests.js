/**
 * The bodies, shaped like those of Kong's AI gateway benchmark of July 2025 (one user message of about a
 * thousand tokens, 4,336 bytes as sent; an answer of 842 bytes), with words of our own. Composed to the
 * exact byte, so that runs compare.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { OUT_DIR } from './tools.js';

export const REQUEST_BYTES = 4336;
export const ANSWER_BYTES = 842;

const SENTENCES = [
  'A weir is a low wall across a river, built to raise the water a little and to let it pass over evenly.',
  'Whoever keeps it reads the height of the water at a staff and knows from a table how much flows over the crest.',
  'After rain the river carries branches and silt, and the keeper opens the side gate before the crest is clogged.',
  'In a dry summer the mill, the fields and the fish each claim a share, and the shares are written in a book.',
  'Compare a sharp crest with a broad one, say which measures better at low flow, and explain why in plain words.',
  'Then give the discharge for heights of five, ten and twenty centimetres over a crest two metres wide.',
  'State what you assume about the approach of the water, and how large the error becomes when that is wrong.',
];

/** @param {number} bytes ASCII text of that many bytes, cut where it has to be */
function composeText(bytes) {
  let text = '';
  for (let i = 0; text.length < bytes; i++) text += `${i + 1}. ${SENTENCES[i % SENTENCES.length]} `;
  return text.slice(0, bytes);
}

/** @param {(text: string) => string} render @param {number} bytes */
function fillTo(bytes, render) {
  const body = render(composeText(bytes - render('').length));
  if (Buffer.byteLength(body) !== bytes)
    throw new Error(`composed ${Buffer.byteLength(body)} bytes, not ${bytes}`);
  return body;
}

export const requestBody = fillTo(REQUEST_BYTES, (content) =>
  JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }], stream: false }),
);

export const answerBody = fillTo(ANSWER_BYTES, (content) =>
  JSON.stringify({
    id: 'chatcmpl-bench00000001',
    object: 'chat.completion',
    created: 1767225600,
    model: 'gpt-4o',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 },
    system_fingerprint: 'fp_bench',
  }),
);

export const REQUEST_FILE = path.join(OUT_DIR, 'request.json');
export const ANSWER_FILE = path.join(OUT_DIR, 'answer.json');

export function writeBodies() {
  writeFileSync(REQUEST_FILE, requestBody);
  writeFileSync(ANSWER_FILE, answerBody);
}
