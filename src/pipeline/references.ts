import { OptionError, unknownName } from '../errors.js';
import { type Data, isData } from './document.js';

const reference = /\$\{([^{}]*)\}/g;

/**
 * Replaces `${name}` with a variable and `${env.NAME}` with an environment variable everywhere in `value`. A
 * value that consists of one reference keeps the variable's type. Variables may refer to other variables.
 * Throws OptionError if a variable does not exist or refers to itself.
 */
export function replaceReferences(
  value: unknown,
  vars: Data,
  env: Readonly<Record<string, string | undefined>> = process.env,
): unknown {
  const lookUp = (name: string, trail: readonly string[]): unknown => {
    if (name.startsWith('env.')) {
      const found = env[name.slice(4)];
      if (found === undefined) {
        throw new OptionError(
          `\${${name}} refers to the environment variable ${name.slice(4)}, which is not set.`,
        );
      }
      return found;
    }
    if (!Object.hasOwn(vars, name)) {
      throw new OptionError(
        `\${${name}} refers to a variable that does not exist: ${unknownName('variable', name, Object.keys(vars))}`,
      );
    }
    if (trail.includes(name)) {
      throw new OptionError(`The variable "${name}" refers to itself: ${[...trail, name].join(' -> ')}.`);
    }
    return replace(vars[name], [...trail, name]);
  };
  const replace = (part: unknown, trail: readonly string[]): unknown => {
    if (Array.isArray(part)) return part.map((item) => replace(item, trail));
    if (isData(part)) {
      return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, replace(item, trail)]));
    }
    if (typeof part !== 'string') return part;
    const whole = /^\$\{([^{}]*)\}$/.exec(part);
    if (whole) return lookUp(whole[1].trim(), trail);
    return part.replace(reference, (_, name: string) => {
      const found = lookUp(name.trim(), trail);
      if (found !== null && typeof found === 'object') {
        throw new OptionError(
          `"${part}" inserts \${${name}} into a text, but that variable is a ` +
            `${Array.isArray(found) ? 'list' : 'map'}. Only a text or a number can be inserted.`,
        );
      }
      return String(found);
    });
  };
  return replace(value, []);
}
