import { parse as parseYaml } from 'yaml';
import { messageOf, OptionError, unknownName } from '../errors.js';
import { type Data, type Draft, type Entry, isData } from './document.js';

/** A `--set` option: a path and the new value. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Parses `PATH=VALUE`, with the value as YAML. Throws OptionError. */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at < 1)
    throw new OptionError(
      `--set takes PATH=VALUE, e.g. output=/tmp/out or inference.overlap=0.5, but it is "${text}".`,
    );
  const path = text.slice(0, at).trim().split('.');
  if (path.includes(''))
    throw new OptionError(`--set ${text}: the path "${text.slice(0, at)}" has an empty part.`);
  try {
    const value = text.slice(at + 1);
    // A pattern, e.g. *.nii.gz. YAML would read it as a reference to an anchor, and here is none.
    return { path, value: value.trim().startsWith('*') ? value.trim() : parseYaml(value) };
  } catch (error) {
    throw new OptionError(
      `--set ${text}: the value is not valid YAML: ${messageOf(error).split(' at line')[0]}.`,
    );
  }
}

/** The top-level keys of a pipeline file. */
export const headKeys = ['name', 'output', 'vars', 'source', 'runtime', 'train', 'publicEnv'] as const;

/**
 * Applies a `--set` option. The path starts with a top-level key of the file (`source.` refers to the options
 * of the source, with or without its name), a variable, or the id of a step or sink. Throws OptionError with
 * the nearest name if nothing has that name.
 */
export function applyOverride(draft: Draft, { path, value }: Override): Draft {
  const [first, ...rest] = path;
  const { head } = draft;
  const vars = isData(head.vars) ? head.vars : {};
  if (first === 'source')
    return { ...draft, head: { ...head, source: setInSource(head.source, rest, value) } };
  if ((headKeys as readonly string[]).includes(first)) {
    return { ...draft, head: setIn(head, path, value) as Data };
  }
  if (first === 'steps' || first === 'sinks') {
    const ids = draft[first].map(({ id }) => id);
    if (!rest.length || !ids.includes(rest[0])) {
      throw new OptionError(
        `--set ${path.join('.')}: ${unknownName(first.slice(0, -1), rest[0] ?? '', ids)}`,
      );
    }
    return { ...draft, [first]: setInEntry(draft[first], rest, value) };
  }
  if (Object.hasOwn(vars, first)) {
    return { ...draft, head: { ...head, vars: setIn(vars, path, value) } };
  }
  for (const list of ['steps', 'sinks'] as const) {
    if (draft[list].some(({ id }) => id === first)) {
      return { ...draft, [list]: setInEntry(draft[list], path, value) };
    }
  }
  const known = [...headKeys, ...Object.keys(vars), ...[...draft.steps, ...draft.sinks].map(({ id }) => id)];
  throw new OptionError(
    `--set ${path.join('.')}: ${unknownName('key, variable, step or sink', first, known)}`,
  );
}

function setInSource(source: unknown, path: readonly string[], value: unknown): unknown {
  const names = isData(source) ? Object.keys(source) : [];
  if (path.length === 0) return value;
  if (names.length !== 1 || path[0] === names[0]) return setIn(source, path, value);
  return setIn(source, [names[0], ...path], value);
}

function setInEntry(entries: readonly Entry[], [id, ...path]: readonly string[], value: unknown): Entry[] {
  return entries.map((entry) => {
    if (entry.id !== id) return entry;
    if (path.length === 1 && path[0] === 'disabled') return { ...entry, disabled: value === true };
    return { ...entry, options: path.length === 0 ? value : setIn(entry.options, path, value) };
  });
}

function setIn(target: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (Array.isArray(target) && /^\d+$/.test(key)) {
    return target.map((item, i) =>
      i === Number(key) ? (rest.length ? setIn(item, rest, value) : value) : item,
    );
  }
  const map = isData(target) ? target : {};
  return { ...map, [key]: rest.length ? setIn(map[key], rest, value) : value };
}
