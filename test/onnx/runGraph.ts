import * as assert from 'uvu/assert';
import type { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { floats, type Tensor } from '#src/onnx/tensor.js';

/** The first output of a graph, or of an ONNX file, for a value of its first input. */
export async function runGraph(model: Graph | string, input: Tensor): Promise<ort.Tensor> {
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const session =
    typeof model === 'string'
      ? await ort.InferenceSession.create(model, options)
      : await ort.InferenceSession.create(writeModel(model), options);
  const feeds = {
    [session.inputNames[0]]: new ort.Tensor('float32', input.data as Float32Array, input.dims),
  };
  const result = (await session.run(feeds))[session.outputNames[0]];
  await session.release();
  return result;
}

/** The largest difference of two lists of numbers. */
export function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.is(found.length, expected.length);
  let worst = 0;
  for (let i = 0; i < found.length; i++) {
    const off = Math.abs(found[i] - expected[i]);
    // Also where one of them is not a number.
    if (!(off <= worst)) worst = off;
  }
  return worst;
}

/** A tensor [1, C, X, Y, Z] each voxel of which stands for `count` along each axis. */
export function repeated(tensor: Tensor, count: number): Tensor {
  if (count === 1) return tensor;
  const [n, c, ...sizes] = tensor.dims;
  const [nx, ny, nz] = sizes.map((size) => size * count);
  const data = new Float32Array(n * c * nx * ny * nz);
  let at = 0;
  for (let k = 0; k < n * c; k++) {
    for (let x = 0; x < nx; x++) {
      for (let y = 0; y < ny; y++) {
        for (let z = 0; z < nz; z++) {
          const [i, j, l] = [x, y, z].map((place) => Math.floor(place / count));
          data[at++] = Number(tensor.data[((k * sizes[0] + i) * sizes[1] + j) * sizes[2] + l]);
        }
      }
    }
  }
  return floats([n, c, nx, ny, nz], data);
}

/**
 * The values of an output [N, C, X, Y, Z] at the places start, start + step and so on of each spatial axis.
 */
export function kept(
  { data, dims }: ort.Tensor,
  places: { readonly start: number; readonly step: number } | undefined,
): ArrayLike<number> {
  if (!places) return data as Float32Array;
  const { start, step } = places;
  const [n, c, nx, ny, nz] = dims;
  const out: number[] = [];
  for (let k = 0; k < n * c; k++) {
    for (let x = start; x < nx; x += step) {
      for (let y = start; y < ny; y += step) {
        for (let z = start; z < nz; z += step) out.push(Number(data[((k * nx + x) * ny + y) * nz + z]));
      }
    }
  }
  return out;
}
