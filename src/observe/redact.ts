/**
 * Takes keys out of text before it is logged. Weir logs no headers and no query strings, so a key can
 * only get here by a mistake: a client that writes its key into the path or into `model`, or a provider
 * that repeats the key in an error message. Both have happened elsewhere.
 */

const MASK = '[redacted]';
/** Stands where a text was cut. */
const CUT = '…';

/** Shorter secrets would turn ordinary words into masks; no provider hands out such a key. */
const SECRET_LENGTH_MIN = 8;

/** Shapes of keys in use: OpenAI, Anthropic, Weir, Groq, xAI, Perplexity, Stripe-like, Hugging Face, Google, AWS. */
const KEY_SHAPES = [
  '\\b(?:sk|wk|gsk|xai|pplx|rk|pk)-[A-Za-z0-9_-]{16,}',
  '\\bhf_[A-Za-z0-9]{16,}',
  '\\bAIza[A-Za-z0-9_-]{20,}',
  '\\bAKIA[A-Z0-9]{16}\\b',
  '\\b[Bb]earer(?:\\s|%20)+[^\\s"\\\\]+',
];

export type Redact = (text: string) => string;

/** `secrets` are the credentials that the configuration holds; they are masked whatever they look like. */
export function createRedact(secrets: readonly string[]): Redact {
  const literals = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < SECRET_LENGTH_MIN) continue;
    literals.add(secret);
    // As it looks inside a JSON string and inside a URL.
    literals.add(JSON.stringify(secret).slice(1, -1));
    literals.add(encodeURIComponent(Buffer.from(secret).toString()));
  }
  // The longest first, so that a secret that contains another one is masked whole.
  const escaped = [...literals].sort((a, b) => b.length - a.length).map(escapeForPattern);
  const pattern = new RegExp([...escaped, ...KEY_SHAPES].join('|'), 'g');
  return (text) => {
    pattern.lastIndex = 0;
    const masked = pattern.test(text) ? text.replace(pattern, MASK) : text;
    return masked.includes(CUT) ? maskBeforeCuts(masked, literals) : masked;
  };
}

/** Messages for callers repeat no more than the beginning of a long name, which may end in the middle of a secret. */
function maskBeforeCuts(text: string, literals: ReadonlySet<string>): string {
  let masked = text;
  for (let cut = masked.indexOf(CUT); cut >= 0; cut = masked.indexOf(CUT, cut + CUT.length)) {
    for (const literal of literals) {
      const at = masked.lastIndexOf(literal.slice(0, SECRET_LENGTH_MIN), cut);
      if (at >= 0 && literal.startsWith(masked.slice(at, cut))) {
        masked = masked.slice(0, at) + MASK + masked.slice(cut);
        cut = at + MASK.length;
        break;
      }
    }
  }
  return masked;
}

function escapeForPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
