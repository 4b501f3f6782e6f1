/**
 * Enough of TypeScript's lexical grammar to look at code without its comments and strings, so that a
 * rule about code is not set off by a sentence. Blanked text keeps its length and its lines.
 */

export interface SourceText {
  readonly path: string;
  readonly raw: string;
  /** Bodies of strings, templates, regular expressions and comments are spaces; quotes stay. */
  readonly code: string;
  /** Only comments; all else is spaces. */
  readonly comments: string;
}

/** A slash after one of these begins a regular expression; after anything else it divides. */
const BEFORE_REGEXP =
  /(?:^|[-+*%=(,[{;:!&|?<>~^}]|\b(?:return|typeof|case|in|of|void|await|yield))$/;

class Scanner {
  private readonly code: string[];
  private readonly comments: string[];
  private at = 0;

  constructor(
    private readonly path: string,
    private readonly raw: string,
  ) {
    this.code = raw.split('');
    this.comments = raw.split('').map((character) => (character === '\n' ? '\n' : ' '));
  }

  scan(): SourceText {
    this.scanCode(false);
    return {
      path: this.path,
      raw: this.raw,
      code: this.code.join(''),
      comments: this.comments.join(''),
    };
  }

  /** Up to the end, or to the brace that closes a template's expression. */
  private scanCode(isInTemplate: boolean): void {
    let depth = 0;
    while (this.at < this.raw.length) {
      const character = this.raw[this.at];
      const pair = this.raw.slice(this.at, this.at + 2);
      if (pair === '//') this.scanComment('\n', 0);
      else if (pair === '/*') this.scanComment('*/', 2);
      else if (character === "'" || character === '"') this.scanQuoted(character);
      else if (character === '`') this.scanTemplate();
      else if (character === '/' && this.isRegExpHere()) this.scanRegExp();
      else {
        if (character === '{') depth += 1;
        if (character === '}') {
          if (isInTemplate && depth === 0) return;
          depth -= 1;
        }
        this.at += 1;
      }
    }
  }

  private isRegExpHere(): boolean {
    const before = this.code.slice(Math.max(0, this.at - 80), this.at).join('');
    return BEFORE_REGEXP.test(before.trimEnd());
  }

  private blank(end: number): void {
    for (; this.at < end; this.at += 1) {
      if (this.code[this.at] !== '\n') this.code[this.at] = ' ';
    }
  }

  private scanComment(terminator: string, extra: number): void {
    const start = this.at;
    const found = this.raw.indexOf(terminator, start + 2);
    const end = found < 0 ? this.raw.length : found + extra;
    for (let index = start; index < end; index += 1) {
      this.comments[index] = this.raw[index] ?? ' ';
    }
    this.blank(end);
  }

  /** Where the text after `this.at` reaches `stop` unescaped, or the end of the line. */
  private findEnd(stop: string): number {
    let isInClass = false;
    for (let index = this.at + 1; index < this.raw.length; index += 1) {
      const character = this.raw[index];
      if (character === '\\') index += 1;
      else if (character === '\n') return index;
      else if (stop === '/' && character === '[') isInClass = true;
      else if (stop === '/' && character === ']') isInClass = false;
      else if (character === stop && !isInClass) return index;
    }
    return this.raw.length;
  }

  private scanQuoted(quote: string): void {
    const end = this.findEnd(quote);
    this.at += 1;
    this.blank(end);
    this.at = end + 1;
  }

  private scanRegExp(): void {
    const end = this.findEnd('/');
    this.at += 1;
    this.blank(end);
    this.at = end + 1;
  }

  private scanTemplate(): void {
    this.at += 1;
    while (this.at < this.raw.length && this.raw[this.at] !== '`') {
      if (this.raw[this.at] === '\\') this.blank(Math.min(this.at + 2, this.raw.length));
      else if (this.raw.startsWith('${', this.at)) {
        this.at += 2;
        this.scanCode(true);
        this.at += 1;
      } else this.blank(this.at + 1);
    }
    this.at += 1;
  }
}

export function readSource(path: string, raw: string): SourceText {
  return new Scanner(path, raw).scan();
}
