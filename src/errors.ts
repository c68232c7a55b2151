/**
 * A problem the user can act on. Its message is a full sentence: what was found, where, what was
 * expected, and what to do. The command line prints the message alone, never a stack.
 */
export class VoxError extends Error {
  override readonly name: string = 'VoxError';
}

/** A bad option, variable or pipeline file: nothing is started. */
export class OptionError extends VoxError {
  override readonly name = 'OptionError';
}

/** Bad input data: the case it belongs to fails, and the others go on. */
export class DataError extends VoxError {
  override readonly name = 'DataError';
}

/** A model that is missing, damaged or does not fit its use. */
export class ModelError extends VoxError {
  override readonly name = 'ModelError';
}

/** Prints a value readably for a message: strings in quotes, arrays and maps as YAML's flow style has them. */
export function show(value: unknown, limit = 120): string {
  const text = showWhole(value);
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
 * The known name nearest to a misspelt one, or undefined when none is near: at most three edits and about a
 * third of the word, letter case aside. Distance: Damerau and Levenshtein's, with adjacent swaps as one edit.
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

/** The sentence for an unknown name: what it is, the nearest that exists, else all that exist. */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  const hint = near ? `did you mean "${near}"?` : `known are ${listNames([...known].sort())}.`;
  return `there is no ${what} "${name}"; ${hint}`;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A number of bytes as a person reads it: `512 B`, `1.5 KiB`, `2.3 GiB`. */
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
