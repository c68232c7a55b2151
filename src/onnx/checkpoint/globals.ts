import { elementArrays } from '../tensor.js';
import { numpyGlobals } from './numpy.js';
import { mostArguments, refused } from './pickle.js';
import { Global, Instance, type Pickled, Tuple } from './pickled.js';
import { rebuildTensor, storageTypes } from './storages.js';

/** A name that is only named, never called. */
const named = (name: string) =>
  new Global(name, () => {
    throw refused(`a call of ${name}`);
  });

/** Parts of Python's standard library that are plain data. */
const pythonGlobals: readonly Global[] = [
  ...['collections.OrderedDict', 'builtins.dict', '__builtin__.dict'].map((name) => new Global(name, dict)),
  new Global('collections.defaultdict', (_factory, items) => dict(items)),
  new Global('collections.Counter', dict),
  new Global('collections.deque', list),
  ...['builtins', '__builtin__'].flatMap((module) => [
    new Global(`${module}.set`, (items) => new Set(list(items))),
    new Global(`${module}.frozenset`, (items) => new Set(list(items))),
    new Global(`${module}.list`, list),
    new Global(`${module}.bytearray`, encode),
    new Global(`${module}.getattr`, member),
    ...['int', 'float', 'bool', 'str', 'bytes', 'tuple', 'object', 'type', 'NoneType', 'Ellipsis'].map(
      (type) => named(`${module}.${type}`),
    ),
    ...['complex', 'slice', 'range'].map((type) => inert(`${module}.${type}`)),
  ]),
  // Bytes in protocol 2.
  new Global('_codecs.encode', encode),
  ...['PosixPath', 'WindowsPath', 'Path', 'PurePath', 'PurePosixPath', 'PureWindowsPath'].map(
    (name) =>
      new Global(`pathlib.${name}`, (...parts) =>
        parts
          .filter((part) => typeof part === 'string')
          .join('/')
          .replace(/^\/\//, '/'),
      ),
  ),
  // An object of a class that its own reduction makes.
  new Global('copyreg._reconstructor', (kind) => new Instance(kind instanceof Global ? kind.name : '', [])),
  new Global('copy_reg._reconstructor', (kind) => new Instance(kind instanceof Global ? kind.name : '', [])),
  ...['argparse.Namespace', 'types.SimpleNamespace', 'functools.partial', 'uuid.UUID'].map(inert),
  ...['datetime', 'date', 'time', 'timedelta', 'timezone'].map((name) => inert(`datetime.${name}`)),
  ...['decimal.Decimal', 'fractions.Fraction'].map(inert),
  ...['Any', 'Dict', 'List', 'Optional', 'Tuple', 'Union'].map((name) => named(`typing.${name}`)),
];

const torchGlobals: readonly Global[] = [
  new Global('torch.Size', (items) => (items instanceof Tuple ? items : new Tuple(list(items)))),
  new Global('torch.device', (...names) => new Tuple(names)),
  new Global('torch._utils._rebuild_tensor', rebuildTensor),
  new Global('torch._utils._rebuild_tensor_v2', (storage, offset, dims, strides) =>
    rebuildTensor(storage, offset, dims, strides),
  ),
  new Global('torch._utils._rebuild_tensor_v3', (storage, offset, dims, strides, _grad, _hooks, type) =>
    rebuildTensor(storage, offset, dims, strides, type),
  ),
  new Global('torch._utils._rebuild_parameter', (data) => data),
  new Global('torch._utils._rebuild_parameter_with_state', (data) => data),
  new Global('torch.nn.parameter.Parameter', (data) => data),
  // Subclasses of Tensor, such as MONAI's MetaTensor: the function that makes the tensor, and its arguments.
  new Global('torch._tensor._rebuild_from_type_v2', (make, _kind, args) =>
    make instanceof Global && make.name.startsWith('torch._utils._rebuild_tensor') && args instanceof Tuple
      ? make.call?.(...args.items.slice(0, mostArguments))
      : null,
  ),
  ...['intlist', 'doublelist', 'boollist', 'tensorlist'].map(
    (kind) => new Global(`torch.jit._pickle.build_${kind}`, list),
  ),
  new Global('torch.jit._pickle.restore_type_tag', (value) => value),
  ...['torch.storage.UntypedStorage', 'torch.UntypedStorage', ...storageTypes.keys()].map(named),
  ...Object.keys(elementArrays).map((type) => named(`torch.${type}`)),
];

const known: ReadonlyMap<string, Global> = new Map(
  [...pythonGlobals, ...torchGlobals, ...numpyGlobals].map((global) => [global.name, global]),
);

/**
 * The class or function that a checkpoint names. Of Python's standard library, only what is data is known. A
 * name of any other module stands for a class of the training program; it is a name and nothing more.
 *
 * @throws ModelError for a name of the standard library that is not data, and for one that reaches through
 * modules.
 */
export function findGlobal(module: string, name: string): Global {
  const full = `${module}.${name}`;
  const found = known.get(full);
  if (found) return found;
  const root = module.split('.')[0];
  // A class inside of a class has a dot in its name; a function of an imported module has one, too.
  const inner = name.split('.').slice(0, -1);
  if (pythonModules.has(root) || root.startsWith('__') || /^_[^_]/.test(root)) {
    if (root !== '__torch__' && root !== '__main__' && root !== '__mp_main__') throw refused(full);
  }
  if (!inner.every((part) => /^_*\p{Lu}/u.test(part))) throw refused(full);
  return new Global(full);
}

/** A member of a class that is not known, such as an enumeration. */
function member(kind: Pickled, name: Pickled): Instance {
  if (kind instanceof Global && !kind.call && typeof name === 'string') {
    return new Instance(`${kind.name}.${name}`, []);
  }
  throw refused('a call of getattr');
}

function inert(name: string): Global {
  return new Global(name, (...args) => new Instance(name, args));
}

/** A dict of nothing, of a dict, or of a list of pairs. */
function dict(items: Pickled = []): Map<Pickled, Pickled> {
  if (items instanceof Map) return new Map(items);
  return new Map(
    list(items).map((pair): [Pickled, Pickled] => {
      const [key, value] = pair instanceof Tuple ? pair.items : list(pair);
      return [key, value];
    }),
  );
}

function list(items: Pickled = []): Pickled[] {
  if (Array.isArray(items)) return [...items];
  if (items instanceof Tuple) return [...items.items];
  return items instanceof Set ? [...items] : [];
}

/** Bytes of a text: protocol 2 keeps bytes as text of one byte a character. */
function encode(text: Pickled): Uint8Array {
  if (text instanceof Uint8Array) return text;
  return typeof text === 'string' ? new Uint8Array(Buffer.from(text, 'latin1')) : new Uint8Array();
}

/**
 * The modules of Python 3.11's standard library (`sys.stdlib_module_names`), and of Python 2's that run
 * programs.
 */
const pythonModules: ReadonlySet<string> = new Set(
  `
  abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii
  bisect builtins bz2 cPickle cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections
  colorsys commands compileall concurrent configparser contextlib contextvars copy copy_reg copyreg crypt
  csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest email encodings
  ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc
  genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib
  imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma
  mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib
  nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev pathlib pdb pickle pickletools pip
  pipes pkg_resources pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd
  py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter
  runpy sched secrets select selectors setuptools shelve shlex shutil signal site smtpd smtplib sndhdr
  socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string
  stringprep struct subprocess sunau symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile
  termios textwrap this threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc
  tty turtle turtledemo types typing unicodedata unittest urllib urllib2 uu uuid venv warnings wave
  weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo`
    .trim()
    .split(/\s+/),
);
