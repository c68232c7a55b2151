/**
 * A problem that the user can act on. Its message is a full sentence: what was found, where, what was
 * expected, and what to do. The command line prints only the message, not the stack. Other errors are
 * unexpected: bugs.
 */
export class VoxError extends Error {
  override readonly name: string = 'VoxError';

  /** A very long message, e.g. with a damaged name of megabytes, is cut off. */
  constructor(message?: string, options?: ErrorOptions) {
    super(message === undefined ? message : clip(message, 10_000), options);
  }
}

/** A wrong option, variable or pipeline file. Nothing is started. */
export class OptionError extends VoxError {
  override readonly name = 'OptionError';
}

/** Wrong input data. Its case fails and the run continues. */
export class DataError extends VoxError {
  override readonly name = 'DataError';
}

/** A model that is missing, damaged, or not suited to its use. */
export class ModelError extends VoxError {
  override readonly name = 'ModelError';
}

/** Formats a value for a message: strings in quotes, arrays and maps in YAML's flow style. */
export function show(value: unknown, limit = 120): string {
  return clip(showWhole(value), limit);
}

/** The begin of a text, if it is longer than `limit` characters. */
export function clip(text: string, limit = 120): string {
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

function showWhole(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return `[${Array.from(value as ArrayLike<unknown>, showWhole).join(', ')}]`;
  }
  if (value !== null && typeof value === 'object') {
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${key}: ${showWhole(item)}`)
      .join(', ')} }`;
  }
  return String(value);
}

/** Joins names for a sentence: `a`, `a and b`, `a, b and c`. */
export function listNames(names: readonly string[], conjunction = 'and'): string {
  if (names.length < 2) return names[0] ?? 'none';
  return `${names.slice(0, -1).join(', ')} ${conjunction} ${names.at(-1)}`;
}

/**
 * The known name nearest to a misspelt one, within three edits and about a third of the word; else undefined.
 * Ignores case. The distance is Damerau and Levenshtein's: swapping adjacent letters is one edit.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.floor((name.length + 1) / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(last[j] + 1, row[j - 1] + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, beforeLast[j - 2] + 1);
      }
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}

/** The clause for an unknown name, with the nearest known name, or else all known names. */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  const hint = near ? `did you mean "${near}"?` : `known are ${listNames([...known].sort())}.`;
  return `there is no ${what} "${name}"; ${hint}`;
}

/** A clause as a sentence: with a full stop, unless it ends with a mark already. */
export function ended(clause: string): string {
  return /[.?!]$/.test(clause) ? clause : `${clause}.`;
}

/** The message of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The sentence for the JavaScript engine's errors of memory; undefined for other errors. */
export function memoryFault(error: unknown): string | undefined {
  const isMemory =
    error instanceof Error &&
    error.name === 'RangeError' &&
    /array buffer allocation failed|invalid (typed )?array (buffer )?length/i.test(error.message);
  if (!isMemory) return undefined;
  return (
    'There is not enough memory for an array that this needs. Process fewer cases at once (--in-flight 1), make ' +
    'volumes and windows smaller, or use a machine with more memory.'
  );
}

/** Formats a number of bytes: `512 B`, `1.5 KiB`, `2.3 GiB`. */
export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
