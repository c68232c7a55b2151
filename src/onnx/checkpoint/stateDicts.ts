import { listNames, ModelError, show } from '../../errors.js';
import { Instance, type Pickled, Tuple } from './pickled.js';
import { StoredTensor } from './storedTensor.js';

/** Tensors of a network by name. */
export interface StateDict {
  /** Where they lie in the file: `state_dict`; empty for the file's top value. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Where training programs put the weights, the likeliest first. */
const wrappers = [
  ...[
    '',
    'model',
    'state_dict',
    'model_state_dict',
    'network_weights',
    'net',
    'network',
    'module',
    'weights',
  ],
  ...['model_state', 'params', 'generator', 'ema', 'model_ema', 'ema_state_dict', 'state_dict_ema'],
];

/** How many maps inside of each other are searched. */
const mostDepth = 4;

/** More modules, entries and tensors than any checkpoint has. */
const mostVisits = 1_000_000;

/**
 * The state dicts in what a checkpoint holds: dicts of tensors at its top or inside of its dicts, and modules
 * that were saved whole. The likeliest is first: see `wrappers`; others follow, those with the most tensors
 * first.
 *
 * @throws ModelError saying what was found when there is none.
 */
export function findStateDicts(top: Pickled): StateDict[] {
  const found: StateDict[] = [];
  const seen = new Set<Pickled>();
  const counter = new Counter();
  let level: { readonly path: string; readonly value: Pickled }[] = [{ path: '', value: top }];
  for (let depth = 0; depth <= mostDepth && level.length > 0; depth++) {
    const below: typeof level = [];
    for (const { path, value } of level) {
      if (seen.has(value)) continue;
      seen.add(value);
      const tensors = tensorsOf(value, counter);
      if (tensors.size > 0) found.push({ path, tensors });
      for (const [key, inner] of entriesOf(value)) {
        counter.count();
        const isMap = inner instanceof Map || inner instanceof Instance;
        if (isMap && (typeof key === 'string' || typeof key === 'number')) {
          below.push({ path: path ? `${path}.${key}` : String(key), value: inner });
        }
      }
    }
    level = below;
  }
  if (found.length === 0) throw new ModelError(`it holds no state dict: ${describe(top)}`);
  const rank = ({ path }: StateDict) => {
    const place = wrappers.indexOf(path);
    return place < 0 ? wrappers.length : place;
  };
  return found.sort((a, b) => rank(a) - rank(b) || b.tensors.size - a.tensors.size);
}

/** Stops a file whose parts hold each other again and again. */
class Counter {
  #visits = 0;

  count(): void {
    if (++this.#visits > mostVisits) {
      throw new ModelError(`it holds more than ${mostVisits} entries, which no checkpoint needs`);
    }
  }
}

function tensorsOf(value: Pickled, counter: Counter): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  if (value instanceof Instance && isModule(value)) addModule(value, tensors, counter);
  else {
    for (const [name, item] of entriesOf(value)) {
      counter.count();
      if (typeof name === 'string' && item instanceof StoredTensor) tensors.set(name, item);
    }
  }
  return tensors;
}

/**
 * The entries of a dict, or of an object of a subclass of it, or an object's attributes. A module has none.
 */
function entriesOf(value: Pickled): ReadonlyMap<Pickled, Pickled> {
  if (value instanceof Map) return value;
  if (!(value instanceof Instance) || isModule(value)) return new Map();
  return value.entries.size > 0 ? value.entries : value.state;
}

/**
 * Whether an object is a PyTorch module: of a TorchScript archive, or of one that was saved whole in Python.
 */
function isModule({ kind, state }: Instance): boolean {
  return kind.startsWith('__torch__.') || state.get('_modules') instanceof Map;
}

/**
 * Adds the tensors of a module, named as its state dict names them: attributes of TorchScript's modules,
 * parameters and buffers of Python's.
 */
function addModule(top: Instance, tensors: Map<string, StoredTensor>, counter: Counter): void {
  const open: { readonly prefix: string; readonly value: Instance }[] = [{ prefix: '', value: top }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { prefix, value } = next;
    const inner: typeof open = [];
    const add = (entries: Pickled, skip?: Pickled) => {
      if (!(entries instanceof Map)) return;
      for (const [name, item] of entries) {
        counter.count();
        if (typeof name !== 'string' || (skip instanceof Set && skip.has(name))) continue;
        if (item instanceof StoredTensor) tensors.set(`${prefix}${name}`, item);
        if (item instanceof Instance && isModule(item))
          inner.push({ prefix: `${prefix}${name}.`, value: item });
      }
    };
    if (value.kind.startsWith('__torch__.')) add(value.state);
    else {
      add(value.state.get('_parameters'));
      add(value.state.get('_buffers'), value.state.get('_non_persistent_buffers_set'));
      add(value.state.get('_modules'));
    }
    // Names get longer with each level, so that a chain of many modules would fill the memory.
    if (prefix.length > 300) throw new ModelError('its modules lie too deep inside of each other');
    open.push(...inner.reverse());
  }
}

function describe(top: Pickled): string {
  if (top instanceof Map) {
    const names = [...top.keys()].filter((key) => typeof key === 'string').map((key) => show(key, 40));
    const some = names.length > 8 ? [...names.slice(0, 8), `${names.length - 8} others`] : names;
    return `it is a dict with the entries ${listNames(some)}, and no tensors are in them`;
  }
  if (top instanceof StoredTensor) return `it is one tensor of ${show(top.dims)}`;
  if (top instanceof Instance) return `it is an object of ${show(top.kind)} without tensors`;
  if (Array.isArray(top)) return `it is a list of ${top.length} items`;
  if (top instanceof Tuple) return `it is a tuple of ${top.items.length} items`;
  return `it is ${top === null ? 'None' : `a ${typeof top}`}`;
}
