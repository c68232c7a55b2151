/** Values of environment variables that are to be hidden, by name. */
export type Secrets = ReadonlyMap<string, string>;

/** Shorter values are not masked: they occur by accident in other texts, and keep no secret. */
const shortestSecret = 4;

/** Replaces texts in plain data, at any depth. */
export type Mask = <T>(value: T) => T;

/** Hides passwords and queries of web addresses in a text. */
export function hideSignatures(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]+:\/\/)[^\s/?#@"']+@/gi, '$1***@')
    .replace(/\b(https?:\/\/[^\s?#"'<>]+)\?[\w%][^\s"'<>]*?(?=[.,;:)\]]*(?:[\s"'<>]|$))/gi, '$1?***');
}

/**
 * A function that hides environment variables: where their values occur in a text, it puts `${env.NAME}`
 * instead. It also hides passwords and queries of web addresses; see `hideSignatures`.
 */
export function maskOf({ secrets }: { readonly secrets: Secrets }): Mask {
  const known = [...secrets]
    .filter(([, value]) => value.length >= shortestSecret)
    // A value may contain another one.
    .sort(([, a], [, b]) => b.length - a.length);
  return mapTexts((text) =>
    hideSignatures(
      known.reduce((masked, [name, secret]) => masked.replaceAll(secret, () => `\${env.${name}}`), text),
    ),
  );
}

const masked = /\$\{env\.([^{}]*)\}/g;

/**
 * The reverse of `maskOf`, for what voxstream wrote itself: puts the values of environment variables where
 * `${env.NAME}` stands. Unknown ones stay as they are.
 */
export function revealer(find: (name: string) => string | undefined): Mask {
  return mapTexts((text) => text.replace(masked, (all, name: string) => find(name) ?? all));
}

/** Puts the environment variables of this process back; see `revealer`. */
export const revealEnvironment: Mask = revealer((name) => process.env[name]);

function mapTexts(change: (text: string) => string): Mask {
  const map = (value: unknown): unknown => {
    if (typeof value === 'string') return change(value);
    if (Array.isArray(value)) return value.map(map);
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, map(item)]));
    }
    return value;
  };
  // Strings stay strings, and maps keep their keys.
  return <T>(value: T) => map(value) as T;
}

/** The fields of events that may hold texts of a pipeline. Others, e.g. ids of cases, stay as they are. */
const textFields = ['pipeline', 'output', 'message', 'reason', 'problems'];

/** Hides environment variables in the texts of an event; see `maskOf`. */
export function maskEvent<Event extends object>(mask: Mask, event: Event): Event {
  const texts = Object.entries(event).filter(([field]) => textFields.includes(field));
  return { ...event, ...mask(Object.fromEntries(texts)) };
}

/** Hides environment variables in the message of an error, which it changes and returns; see `maskOf`. */
export function maskError(mask: Mask, error: unknown): unknown {
  if (!(error instanceof Error)) return mask(error);
  const { message, stack } = error;
  if (mask(message) !== message) Object.assign(error, { message: mask(message), stack: mask(stack) });
  return error;
}
