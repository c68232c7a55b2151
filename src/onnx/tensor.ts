import { ModelError, show } from '../errors.js';
import { fromFloat16 } from './float16.js';

/**
 * The element types of tensors, by ONNX's names, with the array that holds each. Float16 and bfloat16 are
 * held as bits.
 */
export const elementArrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

export type ElementType = keyof typeof elementArrays;
export type TensorArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** ONNX's numbers of the element types (`TensorProto.DataType`). */
const typeNumbers: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

/** A constant tensor: the last axis varies fastest. */
export interface Tensor {
  readonly type: ElementType;
  /** Empty for a scalar. */
  readonly dims: readonly number[];
  readonly data: TensorArray;
}

/** The number of elements of a shape. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, n) => product * n, 1);
}

/** All places of a grid, the last axis fastest. */
export function grid(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (places, size) => places.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );
}

/** A tensor of any type. Throws ModelError when the number of values does not fit the dimensions. */
export function tensor(type: ElementType, dims: readonly number[], data: TensorArray): Tensor {
  if (data.length !== sizeOf(dims)) {
    throw new ModelError(
      `A ${type} tensor of ${show(dims)} holds ${sizeOf(dims)} values, but ${data.length} were given.`,
    );
  }
  return { type, dims, data };
}

/** A float32 tensor. */
export function floats(dims: readonly number[], values: ArrayLike<number>): Tensor {
  return tensor('float32', dims, values instanceof Float32Array ? values : Float32Array.from(values));
}

/** A one-dimensional int64 tensor, as ONNX wants shapes, axes and pads. */
export function int64s(values: readonly number[]): Tensor {
  return { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) };
}

/** The values of a tensor of any type as numbers. Float16 and bfloat16 are decoded. */
export function numbersOf({ type, data }: Tensor): number[] {
  if (type === 'float16') return Array.from(data as Uint16Array, fromFloat16);
  if (type === 'bfloat16') {
    const bits = Uint32Array.from(data as Uint16Array, (half) => half << 16);
    return Array.from(new Float32Array(bits.buffer));
  }
  return Array.from(data as ArrayLike<number | bigint>, Number);
}

/**
 * The values of a tensor as float32: the data of one that is float32 already. Float16 and bfloat16 are
 * decoded.
 */
export function toFloats({ type, data }: Tensor): Float32Array {
  switch (type) {
    case 'float32':
      return data as Float32Array;
    case 'float16': {
      const halves = data as Uint16Array;
      const out = new Float32Array(halves.length);
      for (let i = 0; i < halves.length; i++) out[i] = fromFloat16(halves[i]);
      return out;
    }
    case 'bfloat16': {
      const bits = new Uint32Array(data.length);
      const halves = data as Uint16Array;
      for (let i = 0; i < bits.length; i++) bits[i] = halves[i] << 16;
      return new Float32Array(bits.buffer);
    }
    default:
      return Float32Array.from(data as ArrayLike<number | bigint>, Number);
  }
}

/** ONNX's number of an element type. */
export function typeNumber(type: ElementType): number {
  return typeNumbers[type];
}

/**
 * The element type of an ONNX number, or undefined for those that are not numeric (strings, complex numbers).
 */
export function typeOfNumber(number: number | null | undefined): ElementType | undefined {
  return (Object.keys(typeNumbers) as ElementType[]).find((type) => typeNumbers[type] === number);
}
