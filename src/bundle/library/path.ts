import { type Given, NativeFunction } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import { PyObject, repr, Tuple, type Value } from '../language/values.js';
import { absolutePath, type BoundedFiles, baseName, folderName, joinPath } from './files.js';

/** Python's `pathlib.Path`, as far as configurations use it. */
export class PyPath extends PyObject {
  override readonly typeName = 'PosixPath';
  readonly path: string;

  constructor(
    path: string,
    private readonly files: BoundedFiles,
  ) {
    super();
    this.path = normalize(path);
  }

  override show(): string {
    return `PosixPath(${repr(this.path)})`;
  }

  override equals(other: Value): boolean {
    return other instanceof PyPath && other.path === this.path;
  }

  override binary(operator: string, other: Value, swapped: boolean): Value | undefined {
    const text = pathText(other);
    if (operator !== '/' || text === undefined) return undefined;
    return this.#make(joinPath(swapped ? [text, this.path] : [this.path, text]));
  }

  override attribute(name: string): Value | undefined {
    const { path } = this;
    const file = path === '.' || path === '/' ? '' : baseName(path);
    const dot = file.lastIndexOf('.');
    const hasSuffix = dot > 0 && dot < file.length - 1;
    switch (name) {
      case '__str__':
        return path;
      case 'name':
        return file;
      case 'stem':
        return hasSuffix ? file.slice(0, dot) : file;
      case 'suffix':
        return hasSuffix ? file.slice(dot) : '';
      case 'suffixes':
        return file
          .replace(/^\.+/, '')
          .split('.')
          .slice(1)
          .map((part) => `.${part}`);
      case 'parent':
        return this.#make(folderName(path) || '.');
      case 'parts':
        return new Tuple([...(path.startsWith('/') ? ['/'] : []), ...path.split('/').filter(Boolean)]);
    }
    return this.#method(name);
  }

  #method(name: string): Value | undefined {
    const { path, files } = this;
    const methods: Readonly<Record<string, (given: Given) => Value>> = {
      exists: () => files.exists(path),
      is_file: () => files.isFile(path),
      is_dir: () => files.isFolder(path),
      is_absolute: () => path.startsWith('/'),
      as_posix: () => path,
      absolute: () => this.#make(absolutePath(path)),
      resolve: () => this.#make(absolutePath(path)),
      joinpath: (given) =>
        this.#make(joinPath([path, ...given.rest().map((part) => pathText(part) ?? repr(part))])),
      with_suffix: (given) => this.#make(path.replace(/(?<=[^/])\.[^./]*$|$/, given.text('suffix'))),
      with_name: (given) => this.#make(joinPath([folderName(path), given.text('name')])),
      glob: (given) => this.#glob(given.text('pattern')),
      rglob: (given) => this.#glob(`**/${given.text('pattern')}`),
      iterdir: () => files.list(path).map((file) => this.#make(joinPath([path, file]))),
      read_text: () => files.read(path),
    };
    return Object.hasOwn(methods, name) ? new NativeFunction(`Path.${name}`, methods[name]) : undefined;
  }

  #glob(pattern: string): Value[] {
    return this.files.glob(joinPath([this.path, pattern]), true).map((path) => this.#make(path));
  }

  #make(path: string): PyPath {
    return new PyPath(path, this.files);
  }
}

/** The text of a path that is given as a text or a Path. */
export function pathText(value: Value): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof PyPath ? value.path : undefined;
}

/** The text of a path that must be one. */
export function needPath(value: Value): string {
  const text = pathText(value);
  if (text === undefined) throw new Refusal(`a path must be a text, but it is ${repr(value)}`);
  return text;
}

function normalize(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return (path.startsWith('/') ? '/' : '') + parts.join('/') || '.';
}
