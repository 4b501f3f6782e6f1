/**
 * Looks through one event's document for content that a model made, byte by byte and without parsing it. Content is
 * any text that is not empty, but for roles and types, in these places:
 *
 *   delta                  Anthropic; OpenAI's Responses, Assistants; Google's interactions; Cohere
 *   choices[].delta        OpenAI's chat API and all that speak it
 *   choices[].text         OpenAI's completions
 *   candidates[].content   Gemini
 *
 * Where there is none, the last part of the event's type says what it is: `message_start`, `response.output_item.added`.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;
const POINT = 0x2e;
const UNDERSCORE = 0x5f;
const HYPHEN = 0x2d;

const OTHER = 0;

/** Names of members. */
const DELTA = 1;
const CHOICES = 2;
const CANDIDATES = 3;
const CONTENT = 4;
const TEXT = 5;
const TYPE = 6;
const ROLE = 7;
const FINISH = 8;

/** What the last part of a type says. */
const OPENS = 1;
const ENDS = 2;

interface Word {
  readonly bytes: Buffer;
  readonly meaning: number;
}

function list(meaning: number, ...words: readonly string[]): Word[] {
  return words.map((word) => ({ bytes: Buffer.from(word), meaning }));
}

const NAMES: readonly Word[] = [
  ...list(DELTA, 'delta'),
  ...list(CHOICES, 'choices'),
  ...list(CANDIDATES, 'candidates'),
  ...list(CONTENT, 'content'),
  ...list(TEXT, 'text'),
  ...list(TYPE, 'type', 'event_type', 'mimeType'),
  ...list(ROLE, 'role'),
  ...list(FINISH, 'finish_reason'),
];

/** A delta without text only opens what will have some. */
const ENDINGS: readonly Word[] = [
  ...list(OPENS, 'start', 'created', 'queued', 'progress', 'added', 'update', 'ping', 'keepalive'),
  ...list(OPENS, 'searching', 'interpreting', 'generating', 'delta'),
  ...list(ENDS, 'done', 'stop', 'image'),
];

const WORD_BYTES_MAX = Math.max(...[...NAMES, ...ENDINGS].map(({ bytes }) => bytes.length)) + 1;

/** What an event without content is. */
export type Verdict = 'opener' | 'content' | 'unknown';

export class ContentScan {
  #depth = 0;
  /** The depth inside of what holds content; 0 outside. */
  #contentDepth = 0;
  #isInString = false;
  #isEscaped = false;
  /** Behind a colon. */
  #isValue = false;
  #name: number = OTHER;
  /** Of the member at the top that is being read. */
  #topName: number = OTHER;
  #hasChoices = false;
  #isFinished = false;
  #type: number = OTHER;
  #eventName: number = OTHER;
  /** The string in hand, of a type what stands behind its last separator; one byte too many stands for more. */
  readonly #word = new Uint8Array(WORD_BYTES_MAX);
  #wordLength = 0;

  /** Makes ready for the next event. */
  reset(): void {
    this.#depth = 0;
    this.#contentDepth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    this.#isValue = false;
    this.#name = OTHER;
    this.#topName = OTHER;
    this.#hasChoices = false;
    this.#isFinished = false;
    this.#type = OTHER;
    this.#eventName = OTHER;
    this.#wordLength = 0;
  }

  /** Of an event that is whole and held nothing that take() knew for content. */
  get verdict(): Verdict {
    const ownType = this.#type;
    if (ownType === OPENS || this.#eventName === OPENS) return 'opener';
    if (ownType === ENDS) return 'content';
    return this.#hasChoices && !this.#isFinished ? 'opener' : 'unknown';
  }

  /** The event's name in a field of its own, byte by byte. */
  beginEventName(): void {
    this.#wordLength = 0;
  }

  takeEventName(byte: number): void {
    this.#takePart(byte);
  }

  endEventName(): void {
    this.#eventName = findWord(ENDINGS, this.#word, this.#wordLength);
    this.#wordLength = 0;
  }

  /** The document's next byte. @returns whether it is content. */
  take(byte: number): boolean {
    if (this.#isInString) {
      return this.#takeInString(byte);
    }
    switch (byte) {
      case QUOTE:
        this.#isInString = true;
        this.#wordLength = 0;
        break;
      case COLON:
        this.#isValue = true;
        if (this.#depth === 1) this.#topName = this.#name;
        break;
      case COMMA:
        this.#isValue = false;
        this.#name = OTHER;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#open(byte);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (this.#depth === this.#contentDepth) this.#contentDepth = 0;
        this.#depth -= 1;
        this.#isValue = false;
        break;
      default:
    }
    return false;
  }

  #takeInString(byte: number): boolean {
    if (byte === QUOTE && !this.#isEscaped) {
      this.#endString();
      return false;
    }
    this.#isEscaped = byte === BACKSLASH && !this.#isEscaped;
    if (!this.#isValue) {
      this.#takeWord(byte);
      return false;
    }
    const name = this.#name;
    if (name === TYPE || name === ROLE) {
      this.#takePart(byte);
      return false;
    }
    if (name === FINISH && this.#depth === ELEMENT_DEPTH && this.#topName === CHOICES) {
      this.#isFinished = true;
    }
    return this.#holdsContent();
  }

  #endString(): void {
    this.#isInString = false;
    if (!this.#isValue) {
      this.#name = findWord(NAMES, this.#word, this.#wordLength);
    } else if (this.#name === TYPE && this.#depth === 1) {
      this.#type = findWord(ENDINGS, this.#word, this.#wordLength);
    }
  }

  #open(byte: number): void {
    if (this.#isValue) {
      if (this.#contentDepth === 0 && this.#holdsContent()) this.#contentDepth = this.#depth + 1;
      if (this.#depth === 1) {
        // Lists are believed alone.
        if (byte !== OPEN_BRACKET) this.#topName = OTHER;
        this.#hasChoices = this.#hasChoices || this.#topName === CHOICES;
      }
    }
    this.#depth += 1;
    this.#isValue = false;
    this.#name = OTHER;
  }

  /** Whether the value in hand is in one of the places. */
  #holdsContent(): boolean {
    if (this.#contentDepth > 0) return true;
    const name = this.#name;
    if (this.#depth === 1) return name === DELTA;
    if (this.#depth !== ELEMENT_DEPTH) return false;
    return this.#topName === CHOICES
      ? name === DELTA || name === TEXT
      : this.#topName === CANDIDATES && name === CONTENT;
  }

  #takeWord(byte: number): void {
    if (this.#wordLength < WORD_BYTES_MAX) {
      this.#word[this.#wordLength] = byte;
      this.#wordLength += 1;
    }
  }

  #takePart(byte: number): void {
    if (byte === POINT || byte === UNDERSCORE || byte === HYPHEN) {
      this.#wordLength = 0;
    } else {
      this.#takeWord(byte);
    }
  }
}

/** Of the members of an object in an array at the top. */
const ELEMENT_DEPTH = 3;

function findWord(words: readonly Word[], word: Uint8Array, length: number): number {
  for (let index = 0; index < words.length; index += 1) {
    const { bytes, meaning } = words[index] as Word;
    let matched = 0;
    while (matched < length && word[matched] === bytes[matched]) matched += 1;
    if (matched === length && length === bytes.length) return meaning;
  }
  return OTHER;
}
