/**
 * `${NAME}` and `${NAME:-default}` in a string. The default also stands in for an empty variable, as
 * in a shell; `$${` is a literal `${`. Reasons never quote a variable's value: it may be a secret.
 */

export interface Interpolation {
  readonly value: string;
  /** The variables that were read, whether set or not. */
  readonly names: readonly string[];
  readonly failures: readonly InterpolationFailure[];
}

export interface InterpolationFailure {
  /** Where in the text the `${` stands. */
  readonly offset: number;
  readonly reason: string;
}

// Either an escaped opening, or an opening with everything up to the first closing brace.
const OPENING = /\$\$\{|\$\{([^}]*)(\}?)/g;
const SYNTAX = 'not a variable; write ${NAME} or ${NAME:-default}, and $${ for a literal ${';
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

export function hasVariables(text: string): boolean {
  return text.includes('${');
}

export function interpolate(text: string, env: NodeJS.ProcessEnv): Interpolation {
  const names: string[] = [];
  const failures: InterpolationFailure[] = [];
  const value = text.replace(
    OPENING,
    (whole: string, body: string, end: string, offset: number) => {
      if (whole === '$${') return '${';
      const [, name, fallback] = VARIABLE.exec(body) ?? [];
      if (name === undefined || end === '' || fallback?.includes('${') === true) {
        failures.push({ offset, reason: SYNTAX });
        return '';
      }
      names.push(name);
      // A variable called `constructor` must not find what every object has.
      const found = Object.hasOwn(env, name) ? env[name] : undefined;
      if (found !== undefined && found !== '') return found;
      if (fallback !== undefined) return fallback;
      const state = found === undefined ? 'not set' : 'empty';
      failures.push({
        offset,
        reason: `the environment variable ${name} is ${state}; set it, or write \${${name}:-default}`,
      });
      return '';
    },
  );
  return { value, names, failures };
}

/** The text that interpolates to `value` whatever the environment holds. */
export function escapeVariables(value: string): string {
  // A function, because $$ in a replacement text would mean a single one.
  return value.replaceAll('${', () => '$${');
}
