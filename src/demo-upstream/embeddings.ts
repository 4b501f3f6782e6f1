/**
 * OpenAI's embeddings. A vector is one random vector of length 1, turned by a hash of the text: the same text
 * has always the same vector, others nearly always another, and nothing is computed for each number.
 */
import { EMBEDDING_DIMENSIONS_MAX, EMBEDDING_INPUTS_MAX, EMBEDDING_VALUES_MAX } from './bounds.js';
import { RequestError } from './errors.js';
import { estimatePromptTokens, parseBody, readModel } from './request-facts.js';

const DIMENSIONS_DEFAULT = 1536;

/** The base vector twice in a row, so that each turn of it is one slice. */
interface BaseVector {
  readonly bytes: Buffer;
  readonly text: string;
  /** Where number i begins in `text`. */
  readonly textOffsets: readonly number[];
}

/** Few sizes are in use; each takes some 50 KB. */
const BASES_MAX = 8;
const bases = new Map<number, BaseVector>();

/** @throws RequestError 400 */
export function writeEmbeddings(body: Buffer): Buffer {
  const parsed = parseBody(body);
  const model = readModel(parsed);
  const inputs = readInputs(parsed.input);
  const dimensions = readDimensions(parsed.dimensions, inputs.length);
  const format = parsed.encoding_format ?? 'float';
  if (format !== 'float' && format !== 'base64') {
    throw new RequestError(400, `encoding_format must be "float" or "base64"`, 'encoding_format');
  }
  const base = getBase(dimensions);
  const data = inputs.map((input, index) => {
    const turn = hashText(input) % dimensions;
    const embedding =
      format === 'float'
        ? `[${base.text.slice(base.textOffsets[turn], (base.textOffsets[turn + dimensions] as number) - 1)}]`
        : `"${base.bytes.toString('base64', turn * 4, (turn + dimensions) * 4)}"`;
    return `{"object":"embedding","index":${index},"embedding":${embedding}}`;
  });
  const tokens = estimatePromptTokens(body.length);
  return Buffer.from(
    `{"object":"list","data":[${data.join(',')}],"model":"${model}",` +
      `"usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}`,
    'latin1',
  );
}

/** A text, a list of texts, a list of tokens, or a list of lists of tokens. */
function readInputs(input: unknown): string[] {
  const isTokens = Array.isArray(input) && typeof input[0] === 'number';
  const inputs: unknown[] = Array.isArray(input) && !isTokens ? input : [input];
  if (inputs.length === 0 || inputs.length > EMBEDDING_INPUTS_MAX) {
    throw new RequestError(400, `input must have 1 to ${EMBEDDING_INPUTS_MAX} items`, 'input');
  }
  return inputs.map((item) => {
    if (typeof item === 'string' || Array.isArray(item)) {
      return String(item);
    }
    throw new RequestError(400, 'input must be a text, or an array of texts or of tokens', 'input');
  });
}

function readDimensions(value: unknown, inputs: number): number {
  const dimensions = value ?? DIMENSIONS_DEFAULT;
  if (
    typeof dimensions !== 'number' ||
    !Number.isInteger(dimensions) ||
    dimensions < 1 ||
    dimensions > EMBEDDING_DIMENSIONS_MAX ||
    dimensions * inputs > EMBEDDING_VALUES_MAX
  ) {
    throw new RequestError(
      400,
      `dimensions must be a whole number from 1 to ${EMBEDDING_DIMENSIONS_MAX}, and with all inputs make at most ${EMBEDDING_VALUES_MAX} numbers`,
      'dimensions',
    );
  }
  return dimensions;
}

function getBase(dimensions: number): BaseVector {
  const known = bases.get(dimensions);
  if (known !== undefined) {
    return known;
  }
  const base = buildBase(dimensions);
  if (bases.size >= BASES_MAX) {
    bases.clear();
  }
  bases.set(dimensions, base);
  return base;
}

function buildBase(dimensions: number): BaseVector {
  const numbers: number[] = [];
  let state = 0x9e3779b9;
  let squares = 0;
  for (let i = 0; i < dimensions; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const number = state / 0x80000000;
    numbers.push(number);
    squares += number * number;
  }
  const scale = 1 / Math.sqrt(squares);
  const bytes = Buffer.alloc(dimensions * 8);
  const textOffsets = [0];
  let text = '';
  for (let i = 0; i < dimensions * 2; i += 1) {
    // Rounded before either form is written, so that both give the same numbers.
    const rounded = ((numbers[i % dimensions] as number) * scale).toFixed(8);
    bytes.writeFloatLE(Number(rounded), i * 4);
    text += `${rounded},`;
    textOffsets.push(text.length);
  }
  return { bytes, text, textOffsets };
}

/** FNV-1a, 32 bits. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
