import { functions, type Given, NativeFunction } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import { asNumber, Dict, iterate, PyObject, repr, Tuple, type Value } from '../language/values.js';
import {
  absolutePath,
  type BoundedFiles,
  baseName,
  folderName,
  globPattern,
  joinPath,
  normalPath,
} from './files.js';
import { parseJson } from './json.js';
import { type Members, Module } from './module.js';
import { needPath, PyPath } from './path.js';
import { tableFunctions } from './tables.js';

/** Variables of the environment that a configuration may read. Others may hold secrets. */
const openVariables =
  /^(LOCAL_RANK|RANK|WORLD_SIZE|NODE_RANK|CUDA_VISIBLE_DEVICES|HOME|USER|MONAI_\w+|VOXSTREAM_\w+)$/;

/** Calls that set, log or make something and matter only to Python. They are left out and give None. */
export const ignored = (module: string, names: readonly string[]): Record<string, NativeFunction> =>
  functions(
    module,
    Object.fromEntries(
      names.map((name) => [
        name,
        (given: Given) => {
          given.rest();
          given.restNamed();
          return null;
        },
      ]),
    ),
  );

/** Modules of Python's standard library and pandas. */
export function standardModules(
  files: BoundedFiles,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, PyObject> {
  const path = (given: Given, name = 'path') => needPath(given.required(name));
  const ospath = new Module(
    'os.path',
    functions('os.path', {
      join: (given) => joinPath(given.rest().map(needPath)),
      basename: (given) => baseName(path(given)),
      dirname: (given) => folderName(path(given)),
      exists: (given) => files.exists(path(given)),
      isfile: (given) => files.isFile(path(given)),
      isdir: (given) => files.isFolder(path(given)),
      isabs: (given) => path(given).startsWith('/'),
      abspath: (given) => absolutePath(path(given)),
      realpath: (given) => absolutePath(path(given)),
      normpath: (given) => normalPath(path(given)),
      expanduser: (given) => path(given).replace(/^~(?=\/|$)/, environment['HOME'] ?? '~'),
      split: (given) => {
        const text = path(given);
        return new Tuple([folderName(text), baseName(text)]);
      },
      splitext: (given) => {
        const text = path(given);
        const dot = baseName(text)
          .replace(/^\.+/, (dots) => 'x'.repeat(dots.length))
          .lastIndexOf('.');
        const at = dot < 0 ? text.length : text.length - baseName(text).length + dot;
        return new Tuple([text.slice(0, at), text.slice(at)]);
      },
    }),
  );
  const os = new Module('os', {
    path: ospath,
    sep: '/',
    linesep: '\n',
    environ: new Environment(environment),
    ...functions('os', {
      getenv: (given) => {
        const [name, otherwise] = [given.text('key'), given.optional('default') ?? null];
        return readVariable(environment, name) ?? otherwise;
      },
      listdir: (given) => files.list(path(given)),
      getcwd: () => absolutePath('.'),
      cpu_count: () => 1n,
    }),
    ...ignored('os', ['makedirs', 'mkdir']),
  });
  const glob = (given: Given) => {
    const pattern = needPath(given.required('pathname'));
    return files.glob(pattern, given.named('recursive') === true);
  };
  return {
    os,
    'os.path': ospath,
    glob: new Module('glob', functions('glob', { glob, iglob: glob })),
    fnmatch: new Module(
      'fnmatch',
      functions('fnmatch', {
        fnmatch: (given) => {
          const [name, pattern] = [given.text('name'), given.text('pat')];
          return globPattern(pattern.replaceAll('/', '\0')).test(name.replaceAll('/', '\0'));
        },
      }),
    ),
    pathlib: new Module('pathlib', {
      ...functions('pathlib', { Path: makePath(files), PurePath: makePath(files) }),
    }),
    json: new Module(
      'json',
      functions('json', {
        load: (given) => {
          const file = given.required('fp');
          if (!(file instanceof OpenFile))
            throw new Refusal(`json.load needs an open file, but got ${repr(file)}`);
          return parseJson(file.text);
        },
        loads: (given) => parseJson(given.text('s')),
      }),
    ),
    pandas: new Module('pandas', tableFunctions(files)),
    math: new Module('math', mathMembers()),
    datetime: new Module('datetime', {
      datetime: new Module('datetime.datetime', functions('datetime', { now: () => new Moment(new Date()) })),
    }),
    time: new Module(
      'time',
      functions('time', {
        time: () => Date.now() / 1000,
        strftime: (given) => strftime(new Date(), given.text('format')),
      }),
    ),
    copy: new Module('copy', functions('copy', { copy: copied, deepcopy: copied })),
    sys: new Module('sys', { path: [] }),
    logging: new Module('logging', {
      ...Object.fromEntries(
        ['DEBUG', 'INFO', 'WARNING', 'ERROR'].map((name, i) => [name, BigInt(10 * (i + 1))]),
      ),
      ...ignored('logging', ['basicConfig', 'getLogger', 'info', 'warning', 'disable']),
    }),
    warnings: new Module('warnings', ignored('warnings', ['filterwarnings', 'simplefilter', 'warn'])),
    random: new Module('random', ignored('random', ['seed'])),
  };
}

/** Python's built-in `open`, for reading. */
export function openFunction(files: BoundedFiles): NativeFunction {
  return new NativeFunction('open', (given) => {
    const file = needPath(given.required('file'));
    const mode = given.optional('mode') ?? 'r';
    given.named('encoding');
    if (mode !== 'r' && mode !== 'rt')
      throw new Refusal(`it opens ${file} for ${repr(mode)}, but files are only read`);
    return new OpenFile(file, files.read(file));
  });
}

const makePath = (files: BoundedFiles) => (given: Given) =>
  new PyPath(joinPath(['', ...given.rest().map(needPath)]) || '.', files);

const copied = (given: Given): Value => {
  const value = given.required('x');
  if (Array.isArray(value)) return [...value];
  return value instanceof Dict ? new Dict(value.entries()) : value;
};

function mathMembers(): Members {
  const real = (run: (x: number) => number) => (given: Given) => {
    const x = asNumber(given.required('x'));
    if (x === undefined) throw new Refusal('math needs a number');
    return run(x);
  };
  const whole = (run: (x: number) => number) => (given: Given) => {
    const x = real(run)(given);
    if (!Number.isFinite(x)) throw new Refusal('math makes no integer of an infinite number');
    return BigInt(x);
  };
  return {
    pi: Math.PI,
    e: Math.E,
    inf: Infinity,
    nan: Number.NaN,
    ...functions('math', {
      floor: whole(Math.floor),
      ceil: whole(Math.ceil),
      trunc: whole(Math.trunc),
      sqrt: real(Math.sqrt),
      exp: real(Math.exp),
      log: real(Math.log),
      log2: real(Math.log2),
      log10: real(Math.log10),
      sin: real(Math.sin),
      cos: real(Math.cos),
      radians: real((x) => (x * Math.PI) / 180),
      degrees: real((x) => (x * 180) / Math.PI),
      fabs: real(Math.abs),
      prod: (given) =>
        iterate(given.required('iterable')).reduce<number>((a, b) => a * (asNumber(b) ?? Number.NaN), 1),
      pow: (given) =>
        (asNumber(given.required('x')) ?? Number.NaN) ** (asNumber(given.required('y')) ?? Number.NaN),
      isnan: (given) => Number.isNaN(asNumber(given.required('x'))),
    }),
  };
}

/** What a single process finds in the variables that `torchrun` sets. */
const alone: Readonly<Record<string, string>> = { LOCAL_RANK: '0', RANK: '0', WORLD_SIZE: '1' };

function readVariable(environment: Readonly<Record<string, string | undefined>>, name: string) {
  if (!openVariables.test(name)) {
    throw new Refusal(`it reads the environment variable ${name}, which is not open to configurations`);
  }
  return environment[name] ?? alone[name];
}

/** `os.environ`. */
class Environment extends PyObject {
  override readonly typeName = '_Environ';

  constructor(private readonly variables: Readonly<Record<string, string | undefined>>) {
    super();
  }

  override show(): string {
    return 'os.environ';
  }

  override item(key: Value): Value {
    const value = readVariable(this.variables, String(key));
    if (value === undefined) throw new Refusal(`the environment variable ${String(key)} is not set`);
    return value;
  }

  override attribute(name: string): Value | undefined {
    if (name !== 'get') return undefined;
    return new NativeFunction('os.environ.get', (given) => {
      const [key, otherwise] = [given.text('key'), given.optional('default') ?? null];
      return readVariable(this.variables, key) ?? otherwise;
    });
  }
}

/** An open text file. */
class OpenFile extends PyObject {
  override readonly typeName = 'TextIOWrapper';

  constructor(
    readonly path: string,
    readonly text: string,
  ) {
    super();
  }

  override show(): string {
    return `the open file ${this.path}`;
  }

  override iterate(): readonly Value[] {
    return this.text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  }

  override attribute(name: string): Value | undefined {
    if (name === 'read') return new NativeFunction('read', () => this.text);
    if (name === 'readlines') return new NativeFunction('readlines', () => [...this.iterate()]);
    return undefined;
  }
}

/** `datetime.datetime.now()`. */
class Moment extends PyObject {
  override readonly typeName = 'datetime';

  constructor(private readonly date: Date) {
    super();
  }

  override show(): string {
    return `datetime(${this.date.toISOString()})`;
  }

  override attribute(name: string): Value | undefined {
    if (name === '__str__') return strftime(this.date, '%Y-%m-%d %H:%M:%S');
    if (name === 'strftime') {
      return new NativeFunction('strftime', (given) => strftime(this.date, given.text('format')));
    }
    if (name === 'isoformat')
      return new NativeFunction('isoformat', () => strftime(this.date, '%Y-%m-%dT%H:%M:%S'));
    return undefined;
  }
}

function strftime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const parts: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    H: two(date.getHours()),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    f: String(date.getMilliseconds() * 1000).padStart(6, '0'),
    '%': '%',
  };
  return format.replace(/%([\s\S])/g, (whole, code: string) => parts[code] ?? whole);
}
