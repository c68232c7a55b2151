import { OptionError, unknownName } from '../errors.js';
import { type Data, isData } from './document.js';

const reference = /\$\{([^{}]*)\}/g;
const wholeReference = /^\$\{([^{}]*)\}$/;

/** The most characters and values that a pipeline may have once its references are replaced. */
export const mostContent = 2 ** 22;

/** A value without references, and how many characters and values it has. */
interface Resolved {
  readonly value: unknown;
  readonly size: number;
}

/**
 * The variables and environment variables of a pipeline. Each variable is resolved once, however often it is
 * referred to.
 */
export class References {
  readonly #resolved = new Map<string, Resolved>();
  /** The variables that are being resolved, each referred to by the one before it. */
  readonly #trail: string[] = [];
  readonly #usedEnv = new Map<string, string>();
  /** The size of everything that was replaced so far. */
  #size = 0;

  constructor(
    readonly vars: Data,
    readonly env: Readonly<Record<string, string | undefined>> = process.env,
  ) {}

  /** The environment variables that were referred to so far, with their values. */
  get usedEnv(): ReadonlyMap<string, string> {
    return this.#usedEnv;
  }

  /**
   * Replaces `${name}` with a variable and `${env.NAME}` with an environment variable everywhere in `value`.
   * A value that consists of one reference keeps the variable's type. Variables may refer to other variables.
   *
   * @throws OptionError for a variable that does not exist or refers to itself, and if all values together
   * grow to more than `mostContent` characters and values.
   */
  replace(value: unknown): unknown {
    // A fault may have left some.
    this.#trail.length = 0;
    const found = this.#replace(value);
    this.#size = checkSize(this.#size + found.size);
    return found.value;
  }

  #replace(part: unknown): Resolved {
    if (Array.isArray(part)) {
      const items = part.map((item) => this.#replace(item));
      return { value: items.map(({ value }) => value), size: sizeOf(items) };
    }
    if (isData(part)) {
      const entries = Object.entries(part).map(([key, item]) => [key, this.#replace(item)] as const);
      return {
        value: Object.fromEntries(entries.map(([key, { value }]) => [key, value])),
        size: sizeOf(entries.map(([, item]) => item)),
      };
    }
    if (typeof part !== 'string') return { value: part, size: 1 };
    const whole = wholeReference.exec(part);
    return whole ? this.#lookUp(whole[1].trim()) : this.#replaceInside(part);
  }

  #replaceInside(text: string): Resolved {
    let size = text.length;
    const value = text.replace(reference, (_, name: string) => {
      const found = this.#lookUp(name.trim());
      if (found.value !== null && typeof found.value === 'object') {
        throw new OptionError(
          `"${text}" inserts \${${name}} into a text, but that variable is a ` +
            `${Array.isArray(found.value) ? 'list' : 'map'}. Only a text or a number can be inserted.`,
        );
      }
      // Before the text is put together: strings have a largest length, too.
      size = checkSize(size + found.size);
      return String(found.value);
    });
    return { value, size: value.length };
  }

  #lookUp(name: string): Resolved {
    const known = this.#resolved.get(name);
    if (known) return known;
    const found = name.startsWith('env.') ? this.#lookUpEnv(name.slice(4)) : this.#lookUpVar(name);
    this.#resolved.set(name, found);
    return found;
  }

  #lookUpEnv(name: string): Resolved {
    const value = this.env[name];
    if (value === undefined) {
      throw new OptionError(`\${env.${name}} refers to the environment variable ${name}, which is not set.`);
    }
    this.#usedEnv.set(name, value);
    return { value, size: value.length };
  }

  #lookUpVar(name: string): Resolved {
    if (!Object.hasOwn(this.vars, name)) {
      const known = Object.keys(this.vars);
      throw new OptionError(
        `\${${name}} refers to a variable that does not exist: ${unknownName('variable', name, known)}`,
      );
    }
    if (this.#trail.includes(name)) {
      const circle = [...this.#trail, name].join(' -> ');
      throw new OptionError(`The variable "${name}" refers to itself: ${circle}.`);
    }
    this.#trail.push(name);
    const found = this.#replace(this.vars[name]);
    this.#trail.pop();
    return found;
  }
}

function sizeOf(items: readonly Resolved[]): number {
  return checkSize(items.reduce((sum, { size }) => sum + size, 1));
}

function checkSize(size: number): number {
  if (size <= mostContent) return size;
  throw new OptionError(
    `The variables grow to more than ${mostContent} characters and values when references are replaced. Look for ` +
      'variables that contain others several times.',
  );
}
