import * as assert from 'uvu/assert';
import type { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import type { Tensor } from '#src/onnx/tensor.js';

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
