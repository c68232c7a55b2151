import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { floats, sizeOf, type Tensor } from '#src/onnx/tensor.js';
import { fixtures } from '../../e2e/harness.js';

/**
 * A small UNet trained five steps by PyTorch with MONAI's loss and optimizers; see
 * test/fixtures/golden/README.md.
 */
export interface Golden {
  readonly network: object;
  readonly loss: object;
  readonly optimizers: Readonly<
    Record<'adam' | 'novograd', { readonly lr: number; readonly losses: readonly number[] }>
  >;
  /** A tensor by its name. */
  tensor(name: string): Tensor;
  /** All tensors whose names start with `prefix`, by the rest of their names. */
  tensors(prefix: string): Map<string, Tensor>;
}

/** Reads the golden training. */
export function readGolden(): Golden {
  const index = JSON.parse(readFileSync(join(fixtures, 'golden/training/index.json'), 'utf8'));
  const bytes = readFileSync(join(fixtures, 'golden/training/tensors.bin'));
  const tensor = (name: string) => {
    const { offset, shape } = index.tensors[name];
    const data = bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * sizeOf(shape));
    return floats(shape, new Float32Array(data));
  };
  const tensors = (prefix: string) =>
    new Map(
      Object.keys(index.tensors)
        .filter((name) => name.startsWith(prefix))
        .map((name) => [name.slice(prefix.length), tensor(name)]),
    );
  return { ...index, tensor, tensors };
}

/** The Euclidean norm of the difference of two lists of numbers. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

/** The Euclidean norm of a list of numbers. */
export function norm(a: ArrayLike<number>): number {
  return distance(a, new Float32Array(a.length));
}
