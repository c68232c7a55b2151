import * as assert from 'uvu/assert';
import { prune } from '#src/onnx/edit.js';
import { addGradients } from '#src/onnx/gradients/differentiate.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { inferShapes } from '#src/onnx/shapes.js';
import { sizeOf } from '#src/onnx/tensor.js';
import { random } from '../models.js';

/** What a rule is tested with: the sizes of the operands, and the nodes between them and the output. */
export interface Trial {
  readonly operands: readonly (readonly number[])[];
  readonly build: (graph: Graph, operands: readonly string[]) => string;
  /** Values of the operands. Default: from -0.5 to 0.5. */
  readonly values?: (value: number) => number;
  /** Half the distance of the two points that a difference is taken of. Default: 0.01. */
  readonly step?: number;
  readonly opset?: number;
  /** Operands that the gradient is taken of. Default: all. */
  readonly of?: readonly number[];
  /** What to do with the graph before it is differentiated. */
  readonly prepare?: (graph: Graph, dims: Readonly<Record<string, readonly number[]>>) => void;
}

/**
 * Compares gradients with central differences of L = sum(c * y), c random, L summed up in float64 from y in
 * float32. Fails unless for each operand the Euclidean norm of the difference is at most `tolerance` times
 * the gradient's norm. The default, 2e-3, is what rounding of y leaves at a step of 0.01 (1e-7 / 0.01 per
 * voxel of y, added up) and the square of the step, which curvature leaves.
 */
export async function assertGradients(trial: Trial, tolerance = 2e-3): Promise<void> {
  const { operands, values = (value: number) => value, step = 0.01 } = trial;
  const graph = new Graph({ opset: trial.opset });
  const names = operands.map((dims, i) => graph.addInput(`x${i}`, 'float32', dims));
  const y = trial.build(graph, names);
  const dims = Object.fromEntries(names.map((name, i) => [name, operands[i]]));
  trial.prepare?.(graph, dims);
  const yDims = inferShapes(graph, dims).get(y);
  assert.ok(yDims, 'the size of the output is inferred');
  const seed = graph.addInput('c', 'float32', yDims);
  const to = (trial.of ?? operands.map((_, i) => i)).map((i) => names[i]);
  const gradients = addGradients(graph, { inputDims: { ...dims, c: yDims }, from: { [y]: seed }, to });
  graph.addOutput(y, 'float32', yDims);
  for (const name of to) graph.addOutput(gradients.get(name) as string, 'float32', dims[name]);
  const session = await ort.InferenceSession.create(writeModel(prune(graph)), { logSeverityLevel: 3 });
  const tensorOf = (sizes: readonly number[], data: Float32Array) => new ort.Tensor('float32', data, sizes);
  const data = operands.map((sizes, i) =>
    Float32Array.from(random(sizes, i + 1).data as Float32Array, values),
  );
  const c = random(yDims, 77).data as Float32Array;
  const run = (fetches: string[]) =>
    session.run(
      {
        ...Object.fromEntries(names.map((name, i) => [name, tensorOf(operands[i], data[i])])),
        c: tensorOf(yDims, c),
      },
      fetches,
    );
  const loss = async () => {
    const result = (await run([y]))[y].data as Float32Array;
    return result.reduce((sum, value, i) => sum + value * c[i], 0);
  };
  const found = await run(to.map((name) => gradients.get(name) as string));
  for (const name of to) {
    const { data: gradient, dims: sizes } = found[gradients.get(name) as string];
    const operand = names.indexOf(name);
    assert.equal(sizes, operands[operand]);
    let [error, norm] = [0, 0];
    for (let i = 0; i < sizeOf(sizes); i++) {
      const value = data[operand][i];
      const [high, low] = [Math.fround(value + step), Math.fround(value - step)];
      data[operand][i] = high;
      const above = await loss();
      data[operand][i] = low;
      const difference = (above - (await loss())) / (high - low);
      data[operand][i] = value;
      error += (difference - (gradient[i] as number)) ** 2;
      norm += difference ** 2;
    }
    assert.ok(norm > 0, `the gradient of operand ${operand} is not zero`);
    const relative = Math.sqrt(error / norm);
    assert.ok(relative <= tolerance, `operand ${operand}: the relative error is ${relative}`);
  }
  await session.release();
}
