/**
 * Looks through one event's document for content that a model made, without parsing it and however it is split. Content is
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

/** 0 for the bytes that mean something outside of strings. */
const IS_PLAIN = new Uint8Array(256).fill(1);
for (const sign of [QUOTE, COLON, COMMA, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET]) {
  IS_PLAIN[sign] = 0;
}

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

  /** Of an event that is whole and held nothing that walk() knew for content. */
  get verdict(): Verdict {
    const ownType = this.#type;
    if (ownType === OPENS || this.#eventName === OPENS) return 'opener';
    if (ownType === ENDS) return 'content';
    return this.#hasChoices && !this.#isFinished ? 'opener' : 'unknown';
  }

  /** The event's name in a field of its own. */
  beginEventName(): void {
    this.#wordLength = 0;
  }

  takeEventName(bytes: Buffer, from: number, end: number): void {
    for (let at = from; at < end; at += 1) {
      this.#takePart(bytes[at] as number);
    }
  }

  endEventName(): void {
    this.#eventName = findWord(ENDINGS, this.#word, this.#wordLength);
    this.#wordLength = 0;
  }

  /** The document's next bytes. @returns whether there is content in them; then the rest was not looked at. */
  walk(bytes: Buffer, from: number, end: number): boolean {
    let at = from;
    while (at < end) {
      if (this.#isInString) {
        if (this.#beginsContent(bytes[at] as number)) return true;
        at = this.#walkString(bytes, at, end);
      } else {
        const byte = bytes[at] as number;
        at += 1;
        if (IS_PLAIN[byte] === 0) this.#takeSign(byte);
      }
    }
    return false;
  }

  #takeSign(byte: number): void {
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
      default:
        if (this.#depth === this.#contentDepth) this.#contentDepth = 0;
        this.#depth -= 1;
        this.#isValue = false;
    }
  }

  /** Whether the string in hand is content and goes on with this byte. */
  #beginsContent(byte: number): boolean {
    if (!this.#isValue || (byte === QUOTE && !this.#isEscaped)) return false;
    const name = this.#name;
    if (name === FINISH && this.#depth === ELEMENT_DEPTH && this.#topName === CHOICES) {
      this.#isFinished = true;
    }
    return name !== TYPE && name !== ROLE && this.#holdsContent();
  }

  /** Goes on in a string; gives what follows it, or the end. */
  #walkString(bytes: Buffer, from: number, end: number): number {
    const isName = !this.#isValue;
    const isType = this.#isValue && this.#name === TYPE;
    for (let at = from; at < end; at += 1) {
      const byte = bytes[at] as number;
      if (this.#isEscaped) {
        this.#isEscaped = false;
      } else if (byte === QUOTE) {
        this.#endString();
        return at + 1;
      } else {
        this.#isEscaped = byte === BACKSLASH;
      }
      if (isName) this.#takeWord(byte);
      else if (isType) this.#takePart(byte);
    }
    return end;
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
    if (length !== bytes.length) continue;
    let matched = 0;
    while (matched < length && word[matched] === bytes[matched]) matched += 1;
    if (matched === length) return meaning;
  }
  return OTHER;
}
