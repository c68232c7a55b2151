/**
 * A value to pickle for Python. A number is a float, `{ int }` an int, a `Map` a dict, an array a list,
 * `{ tuple }` a tuple, and `{ ndarray }` a matrix of float64.
 */
export type PickleValue =
  | string
  | number
  | { readonly int: number }
  | readonly PickleValue[]
  | { readonly tuple: readonly PickleValue[] }
  | { readonly ndarray: readonly (readonly number[])[] }
  | ReadonlyMap<string, PickleValue>;

/** The bytes of a pickle of protocol 2, which every Python 3 and NumPy reads. */
export function pickle(value: PickleValue): Buffer {
  return Buffer.concat([Buffer.from([0x80, 2]), ...opcodes(value), Buffer.from('.')]);
}

const code = (text: string) => Buffer.from(text, 'latin1');

function opcodes(value: PickleValue): Buffer[] {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'utf8');
    return [code('X'), uint32(bytes.length), bytes];
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return [code('G'), bytes];
  }
  if (value instanceof Map) {
    const entries = [...value].flatMap(([key, one]) => [...opcodes(key), ...opcodes(one)]);
    return [code('}('), ...entries, code('u')];
  }
  if (isList(value)) return [code(']('), ...value.flatMap(opcodes), code('e')];
  if ('int' in value) {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value.int);
    return [code('J'), bytes];
  }
  if ('tuple' in value) return [code('('), ...value.tuple.flatMap(opcodes), code('t')];
  if ('ndarray' in value) return matrix(value.ndarray);
  throw new Error('A map that is not a Map cannot be pickled.');
}

function isList(value: object): value is readonly PickleValue[] {
  return Array.isArray(value);
}

/** `_reconstruct(ndarray, (0,), b'b')`, and the state that makes it a matrix in C order. */
function matrix(rows: readonly (readonly number[])[]): Buffer[] {
  const values = rows.flat();
  const bytes = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries()) bytes.writeDoubleLE(value, 8 * i);
  return [
    code('cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n'),
    ...opcodes({ tuple: [{ int: 0 }] }),
    ...latin1Bytes(code('b')),
    code('tR('),
    ...opcodes({ int: 1 }),
    ...opcodes({ tuple: [{ int: rows.length }, { int: rows[0].length }] }),
    ...float64Type(),
    // Not in Fortran's order.
    code('\x89'),
    ...latin1Bytes(bytes),
    code('tb'),
  ];
}

/** `dtype('f8')`, little-endian. */
function float64Type(): Buffer[] {
  const none = code('N');
  return [
    code('cnumpy\ndtype\n('),
    ...opcodes('f8'),
    code('\x89\x88tR('),
    ...opcodes({ int: 3 }),
    ...opcodes('<'),
    ...[none, none, none],
    ...opcodes({ int: -1 }),
    ...opcodes({ int: -1 }),
    ...opcodes({ int: 0 }),
    code('tb'),
  ];
}

/** Bytes as protocol 2 has them: `_codecs.encode(text, 'latin1')`. */
function latin1Bytes(bytes: Buffer): Buffer[] {
  return [
    code('c_codecs\nencode\n('),
    ...opcodes(bytes.toString('latin1')),
    ...opcodes('latin1'),
    code('tR'),
  ];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
