import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { showBytes } from '../../errors.js';
import { Refusal } from '../language/refusal.js';

/** A file that an expression reads (a list of cases, a table) may have this many bytes. */
const mostBytes = 64 * 1024 * 1024;

/** A glob may visit this many entries of folders. */
const mostEntries = 2_000_000;

/**
 * The files that a configuration may see: those below some folders. Anything else is refused, so that a
 * bundle from elsewhere cannot look around.
 */
export class BoundedFiles {
  readonly #roots: string[] = [];

  /**
   * @param assumeEmpty Whether lists of cases that are not there count as empty, to survey a configuration
   * without its data.
   */
  constructor(
    roots: readonly string[] = [],
    readonly assumeEmpty = false,
  ) {
    for (const root of roots) this.allow(root);
  }

  /** Opens a folder with all that is in it, or a file. */
  allow(root: string): void {
    const path = resolve(root);
    // A data folder that is the root of the disk would open everything.
    if (dirname(path) !== path) this.#roots.push(path);
  }

  /** Whether a path is below an allowed folder, by name. */
  #has(path: string): boolean {
    return this.#roots.some((root) => inside(root, resolve(path)));
  }

  /** Throws a Refusal for a path outside of the allowed folders, if there is something there. */
  check(path: string): void {
    if (!this.#has(path) && existsSync(path)) throw outside(path);
  }

  exists(path: string): boolean {
    this.check(path);
    return existsSync(path);
  }

  isFile(path: string): boolean {
    return this.exists(path) && statSync(path).isFile();
  }

  isFolder(path: string): boolean {
    return this.exists(path) && statSync(path).isDirectory();
  }

  list(folder: string): string[] {
    this.check(folder);
    try {
      return readdirSync(folder).sort();
    } catch {
      throw new Refusal(`it lists the folder ${folder}, which is not there`);
    }
  }

  /** Reads a text file. Links are followed only to allowed places. */
  read(path: string): string {
    return this.readBytes(path).toString('utf8');
  }

  /** Reads a file. Links are followed only to allowed places. */
  readBytes(path: string): Buffer {
    this.check(path);
    let real: string;
    try {
      real = realpathSync(path);
    } catch {
      throw new Refusal(`it reads the file ${path}, which is not there`);
    }
    const roots = this.#roots.filter((root) => existsSync(root)).map((root) => realpathSync(root));
    if (!roots.some((root) => inside(root, real))) throw outside(real);
    const { size } = statSync(real);
    if (!statSync(real).isFile()) throw new Refusal(`it reads ${path}, which is not a file`);
    if (size > mostBytes) {
      throw new Refusal(
        `it reads the file ${path}, which has ${showBytes(size)}; ${showBytes(mostBytes)} is the limit`,
      );
    }
    return readFileSync(real);
  }

  /** The files that a pattern of Python's `glob` matches, sorted. A leading dot is matched only by a dot. */
  glob(pattern: string, recursive: boolean): string[] {
    const parts = pattern.split('/');
    const magic = parts.findIndex((part) => /[*?[]/.test(part));
    if (magic < 0) return pattern !== '' && this.exists(pattern) ? [pattern] : [];
    const start = parts.slice(0, magic).join('/');
    const folder = start === '' ? (isAbsolute(pattern) ? '/' : '.') : start;
    this.check(folder);
    let visited = 0;
    const entriesOf = (path: string) => {
      try {
        const entries = readdirSync(path, { withFileTypes: true });
        visited += entries.length;
        if (visited > mostEntries)
          throw new Refusal(`the pattern "${pattern}" matches among more than ${mostEntries} files`);
        return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      } catch (error) {
        if (error instanceof Refusal) throw error;
        return [];
      }
    };
    const path = (prefix: string, name: string) =>
      prefix === '' && !isAbsolute(pattern) ? name : `${prefix}/${name}`;
    const entriesIn = (prefix: string) =>
      entriesOf(prefix === '' ? (isAbsolute(pattern) ? '/' : '.') : prefix);
    const visible = (prefix: string) => entriesIn(prefix).filter(({ name }) => !name.startsWith('.'));
    const foldersBelow = (prefix: string): string[] => [
      prefix,
      ...visible(prefix)
        .filter((entry) => entry.isDirectory())
        .flatMap(({ name }) => foldersBelow(path(prefix, name))),
    ];
    const walk = (prefix: string, rest: readonly string[]): string[] => {
      const [part, ...after] = rest;
      if (part === '**' && recursive) {
        const folders = foldersBelow(prefix);
        if (after.length > 0) return folders.flatMap((one) => walk(one, after));
        const own = prefix === '' ? [] : [`${prefix}/`];
        return [...own, ...folders.flatMap((one) => visible(one).map(({ name }) => path(one, name)))];
      }
      if (!/[*?[]/.test(part)) {
        const next = path(prefix, part);
        if (after.length > 0) return walk(next, after);
        return existsSync(next) ? [next] : [];
      }
      const matches = globPattern(part);
      return entriesIn(prefix)
        .filter(({ name }) => matches.test(name) && (part.startsWith('.') || !name.startsWith('.')))
        .flatMap(({ name }) => (after.length === 0 ? [path(prefix, name)] : walk(path(prefix, name), after)));
    };
    return walk(start, parts.slice(magic));
  }
}

function inside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}

function outside(path: string): Refusal {
  return new Refusal(
    `it looks at ${path}, which is neither in the bundle nor in the data folder. If it is meant to, name ` +
      `the folder on the command line: --dataset_dir ${basename(dirname(path)) ? dirname(path) : path}`,
  );
}

/** A part of a glob as a regular expression: `*`, `?` and `[…]` as Python's fnmatch has them. */
export function globPattern(part: string): RegExp {
  const source = part.replace(/\[(!?)([^\]]+)\]|[*?]|[\\^$.*+?()[\]{}|/]/g, (char, negated, set) => {
    if (set !== undefined) return `[${negated ? '^' : ''}${set.replace(/[\\\]^]/g, '\\$&')}]`;
    if (char === '*') return '[^/]*';
    return char === '?' ? '[^/]' : `\\${char}`;
  });
  return new RegExp(`^${source}$`, 'su');
}

/** Joins as Python's `os.path.join` does: an absolute part starts over, and nothing is normalized. */
export function joinPath(parts: readonly string[]): string {
  return parts.reduce((path, part) => {
    if (part.startsWith('/') || path === '') return part;
    return path.endsWith('/') ? path + part : `${path}/${part}`;
  });
}

/** A file's name without its folder, as `os.path.basename` gives it: empty after a trailing slash. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The folder of a path as Python's `os.path.dirname` gives it. */
export function folderName(path: string): string {
  const head = path.slice(0, path.lastIndexOf('/') + 1);
  return /^\/+$/.test(head) ? head : head.replace(/\/+$/, '');
}

/** The absolute form of a path, without `.` and `..`. */
export function absolutePath(path: string): string {
  return resolve(path);
}

/** A path without `.`, `..` and double slashes. */
export function normalPath(path: string): string {
  const normal = join(path);
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal;
}
