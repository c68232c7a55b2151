import protobuf from 'onnx-proto';
import { clip, ModelError, show } from '../errors.js';
import {
  type ElementType,
  elementArrays,
  sizeOf,
  type Tensor,
  type TensorArray,
  typeNumber,
  typeOfNumber,
} from './tensor.js';
import { UnsafeModel } from './unsafeModel.js';

const { onnx } = protobuf;
type TensorProto = protobuf.onnx.ITensorProto;

/**
 * Checks all tensors of an ONNX message, also those of attributes, subgraphs and functions.
 *
 * @throws UnsafeModel if one is stored in another file, or is a weight (two dimensions or more) without
 * values.
 */
export function checkTensors(message: unknown): void {
  if (Array.isArray(message)) {
    if (typeof message[0] === 'object') for (const item of message) checkTensors(item);
    return;
  }
  if (message === null || typeof message !== 'object' || ArrayBuffer.isView(message)) return;
  if (message instanceof onnx.TensorProto) checkTensor(message);
  for (const value of Object.values(message)) checkTensors(value);
}

function checkTensor(proto: TensorProto): void {
  const name = nameOf(proto);
  if (proto.dataLocation === onnx.TensorProto.DataLocation.EXTERNAL) {
    throw new UnsafeModel(
      `The tensor ${name} is stored in a file beside the model, which is not supported; save the model as one file.`,
    );
  }
  const dims = (proto.dims ?? []).map(Number);
  if (dims.length < 2 || !dims.includes(0)) return;
  throw new UnsafeModel(
    `The tensor ${name} of ${show(dims)} has no values, so results would be made up. The file is damaged, or was ` +
      'exported wrongly.',
  );
}

const nameOf = (proto: TensorProto) => clip(proto.name || 'without a name');

/** The tensor of a protobuf message. Throws ModelError, which names the tensor, when it cannot be read. */
export function tensorFromProto(proto: TensorProto): Tensor {
  const name = nameOf(proto);
  const type = typeOfNumber(proto.dataType);
  if (!type) throw new ModelError(`The tensor ${name} has the type ${proto.dataType}, which is not numeric.`);
  const dims = (proto.dims ?? []).map(Number);
  const size = sizeOf(dims);
  const data = proto.rawData?.length ? fromBytes(type, proto.rawData) : fromFields(type, proto);
  if (data.length !== size) {
    throw new ModelError(
      `The tensor ${name} of ${show(dims)} must hold ${size} values of type ${type}, but it holds ${data.length}.`,
    );
  }
  return { type, dims, data };
}

function fromBytes(type: ElementType, bytes: Uint8Array): TensorArray {
  const { BYTES_PER_ELEMENT } = elementArrays[type];
  // A copy, because the bytes of a file are not aligned. Buffer.slice, which Node overrides, would not copy.
  const copy = new Uint8Array(bytes.length - (bytes.length % BYTES_PER_ELEMENT));
  copy.set(bytes.subarray(0, copy.length));
  return new elementArrays[type](copy.buffer, 0, copy.length / BYTES_PER_ELEMENT);
}

function fromFields(type: ElementType, proto: TensorProto): TensorArray {
  const big = (values: readonly unknown[] | null | undefined) => (values ?? []).map((v) => BigInt(String(v)));
  switch (type) {
    case 'float32':
      return Float32Array.from(proto.floatData ?? []);
    case 'float64':
      return Float64Array.from(proto.doubleData ?? []);
    case 'int64':
      return BigInt64Array.from(big(proto.int64Data));
    case 'uint64':
      return BigUint64Array.from(big(proto.uint64Data));
    case 'uint32':
      return Uint32Array.from(proto.uint64Data ?? [], Number);
    default:
      return elementArrays[type].from(proto.int32Data ?? []);
  }
}

/** The protobuf message of a tensor. */
export function tensorToProto(name: string, { type, dims, data }: Tensor): TensorProto {
  return {
    name,
    dims: [...dims],
    dataType: typeNumber(type),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}
