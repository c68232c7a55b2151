import { Graph } from './graph.js';
import { writeModel } from './modelFile.js';
import * as ort from './ort.js';
import type { LayerCosts } from './slices/costs.js';
import { nchwc } from './slices/values.js';
import { floats, int64s, sizeOf } from './tensor.js';

/** Slices, channels, height and width of the features that are measured. */
const features = [16, 64, 48, 48] as const;

/** Products of Winograd's tiles in the matrix products that are measured. */
const products = 8;

const runs = 12;

/**
 * Measures what parts of a layer take on this processor, on one thread, in about a second. Each time is the
 * least of several runs, so other programs hardly change it.
 */
export async function measureCosts(): Promise<LayerCosts> {
  const [slices, channels, height, width] = features;
  const values = sizeOf(features);
  const large = await leastTime((graph) => convolution(graph, 3));
  const small = await leastTime((graph) => convolution(graph, 1));
  // Both read and write as much; they differ in the products per value.
  const product = (large - small) / (values * channels * 8);
  const output = small / values / product - channels;
  const row = channels * height * width;
  const apart = (graph: Graph) =>
    graph.addNode('Reshape', ['x', graph.addConstant('shape', int64s([slices / products, products, row]))]);
  const cutting = await leastTime((graph) => {
    const order = graph.addConstant('order', int64s(Array.from({ length: slices }, (_, i) => i)));
    const rows = graph.addNode('Gather', ['x', order], { axis: 0 });
    const shape = graph.addConstant('shape', int64s([slices / products, products, row]));
    return graph.addNode('MatMul', [matrix(graph, products), graph.addNode('Reshape', [rows, shape])]);
  });
  const combining = await leastTime((graph) =>
    graph.addNode('MatMul', [matrix(graph, products - 2), apart(graph)]),
  );
  return { output, cut: cutting / values / product, combine: combining / values / product };
}

function convolution(graph: Graph, size: 1 | 3): string {
  const [, channels] = features;
  const dims = [channels, channels, size, size];
  const filter = graph.addConstant('filter', floats(dims, new Float32Array(sizeOf(dims)).fill(0.01)));
  const pad = (size - 1) / 2;
  const attributes = {
    kernel_shape: [size, size],
    pads: [pad, pad, pad, pad],
    strides: [1, 1],
    dilations: [1, 1],
    group: 1,
  };
  return graph.addNode('Conv', ['x', filter], attributes, { domain: nchwc });
}

function matrix(graph: Graph, rows: number): string {
  return graph.addConstant('matrix', floats([rows, products], new Float32Array(rows * products).fill(0.5)));
}

/** The milliseconds of the fastest run of a graph on the features `x`, beside reading the result. */
async function leastTime(build: (graph: Graph) => string): Promise<number> {
  const graph = new Graph({ domains: { [nchwc]: 1 } });
  graph.addInput('x', 'float32', features);
  // One value of the result: copying all of it would be measured, too.
  const pick = (value: number) => graph.addConstant('pick', int64s([value]));
  const made = graph.addNode('Flatten', [build(graph)], { axis: 0 });
  graph.addOutput(graph.addNode('Slice', [made, pick(0), pick(1), pick(1)]), 'float32', [1, 1]);
  const session = await ort.InferenceSession.create(writeModel(graph), {
    ...{ intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 },
  });
  const x = new ort.Tensor('float32', new Float32Array(sizeOf(features)).fill(0.5), features);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await session.run({ x });
    least = Math.min(least, performance.now() - start);
  }
  await session.release();
  return least;
}
