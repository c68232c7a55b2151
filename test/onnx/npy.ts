import { readFileSync } from 'node:fs';
import { floats, type Tensor } from '#src/onnx/tensor.js';

/** A NumPy file of float32 or int8 as a float32 tensor. */
export function readNpy(file: string): Tensor {
  return parseNpy(readFileSync(file));
}

/** As `readNpy`, from the bytes of a file. */
export function parseNpy(bytes: Buffer): Tensor {
  const length = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + length);
  const dims = /'shape': \(([^)]*)\)/
    .exec(header)![1]
    .split(',')
    .filter((s) => s.trim())
    .map(Number);
  const data = new Uint8Array(bytes.subarray(10 + length));
  const type = /'descr': '([^']+)'/.exec(header)![1];
  if (type === '<f4') return floats(dims, new Float32Array(data.buffer));
  if (type === '|i1') return floats(dims, Float32Array.from(new Int8Array(data.buffer)));
  throw new Error(`a file has the type ${type}`);
}
