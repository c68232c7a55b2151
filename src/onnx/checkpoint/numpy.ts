import { ModelError, show } from '../../errors.js';
import { sizeOf } from '../tensor.js';
import { type Buildable, Global, Instance, type Pickled, Tuple } from './pickled.js';

/** How numbers of a type are read from bytes. */
interface NumberKind {
  readonly bytes: number;
  readonly read: (view: DataView, at: number, little: boolean) => number | bigint | boolean;
}

/** NumPy's types by their short names: a kind and a number of bytes. */
const kinds: Readonly<Record<string, NumberKind>> = {
  b1: { bytes: 1, read: (view, at) => view.getUint8(at) !== 0 },
  i1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  u1: { bytes: 1, read: (view, at) => view.getUint8(at) },
  i2: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  u2: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  i4: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  u4: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  i8: { bytes: 8, read: (view, at, little) => exact(view.getBigInt64(at, little)) },
  u8: { bytes: 8, read: (view, at, little) => exact(view.getBigUint64(at, little)) },
  f4: { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
};

/** A NumPy type, such as `f8`. */
export class DType implements Buildable {
  little = true;

  constructor(readonly name: string) {}

  /** The state is `(version, byte order, …)`. */
  build(state: Pickled): void {
    if (state instanceof Tuple && state.items[1] === '>') this.little = false;
  }
}

/** A NumPy array. */
export class NumpyArray implements Buildable {
  dims: readonly number[] = [0];
  #values: readonly Pickled[] = [];

  /** The values, the last axis fastest. Empty for a type that is not a number. */
  get values(): readonly Pickled[] {
    return this.#values;
  }

  /** The state is `(version, shape, type, whether the first axis is fastest, bytes or a list)`. */
  build(state: Pickled): void {
    const [, shape, type, firstFastest, data] = state instanceof Tuple ? state.items : [];
    this.fill(data, type, shape, firstFastest === true);
  }

  fill(data: Pickled, type: Pickled, shape: Pickled, firstFastest: boolean): void {
    const dims = shape instanceof Tuple ? shape.items : undefined;
    if (!dims?.every((n): n is number => Number.isSafeInteger(n) && (n as number) >= 0) || dims.length > 64) {
      throw new ModelError('its pickle holds a NumPy array without a proper shape');
    }
    const values = Array.isArray(data) ? data : decode(data, type);
    if (values && values.length !== sizeOf(dims)) {
      throw new ModelError(`its NumPy array of ${show(dims)} has ${values.length} values`);
    }
    this.dims = dims;
    this.#values = values ? (firstFastest ? lastFastest(values, dims) : values) : [];
  }
}

/** What pickles of NumPy's scalars, arrays and types name. */
export const numpyGlobals: readonly Global[] = [
  new Global('numpy.dtype', (name) => new DType(typeof name === 'string' ? name : '')),
  new Global('numpy.ndarray', () => new NumpyArray()),
  // The state of random generators, in the checkpoints of trainings.
  ...['generator', 'bit_generator', 'randomstate'].map((kind) => {
    const name = `numpy.random._pickle.__${kind}_ctor`;
    return new Global(name, (...args) => new Instance(name, args));
  }),
  ...['numpy.core', 'numpy._core'].flatMap((module) => [
    new Global(`${module}.multiarray.scalar`, scalar),
    new Global(`${module}.multiarray._reconstruct`, () => new NumpyArray()),
    new Global(`${module}.numeric._frombuffer`, (data, type, shape, order) => {
      const array = new NumpyArray();
      array.fill(data, type, shape, order === 'F');
      return array;
    }),
  ]),
];

/** One number; an `Instance` for a type that is not a number. */
function scalar(type: Pickled, data: Pickled): Pickled {
  const values = decode(data, type);
  return values?.length === 1 ? values[0] : new Instance('numpy.scalar', [type, data]);
}

function decode(data: Pickled, type: Pickled): Pickled[] | undefined {
  const kind = type instanceof DType && Object.hasOwn(kinds, type.name) ? kinds[type.name] : undefined;
  if (!kind || !(data instanceof Uint8Array)) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const little = (type as DType).little;
  return Array.from({ length: Math.floor(data.length / kind.bytes) }, (_, i) =>
    kind.read(view, i * kind.bytes, little),
  );
}

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Values whose first axis is fastest, with the last axis fastest. */
function lastFastest(values: readonly Pickled[], dims: readonly number[]): Pickled[] {
  const steps = dims.map((_, axis) => sizeOf(dims.slice(0, axis)));
  return values.map((_, place) => {
    let rest = place;
    let from = 0;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += (rest % dims[axis]) * steps[axis];
      rest = Math.floor(rest / dims[axis]);
    }
    return values[from];
  });
}
