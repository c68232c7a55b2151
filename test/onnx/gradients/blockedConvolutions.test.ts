import * as ort from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { channelBlock } from '#src/onnx/blockSize.js';
import { prune } from '#src/onnx/edit.js';
import { addGradients } from '#src/onnx/gradients/differentiate.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { inferShapes } from '#src/onnx/shapes.js';
import { blockStep } from '#src/onnx/training/blocked/blockStep.js';
import { lowerConvolutions } from '#src/onnx/training/lowerConvolutions.js';
import { unblocked } from '../blocked.js';
import { maxDifference, random } from '../models.js';

type Dims = readonly number[];

/** How the gradients of a convolution are written. */
type Form = (graph: Graph, dims: Readonly<Record<string, Dims>>, block: number) => Graph;

const forms: Readonly<Record<string, Form>> = {
  lowered: (graph, dims, block) => {
    lowerConvolutions(graph, inferShapes(graph, dims), block);
    return graph;
  },
  'in blocks': (graph, dims, block) => {
    const shapes = inferShapes(graph, dims);
    const blocked = blockStep(graph, shapes, block);
    lowerConvolutions(blocked, shapes, block);
    return blocked;
  },
};

/** The gradients of y = Conv(x, w) or ConvTranspose(x, w) on a processor with blocks of this size. */
function gradientGraph(
  kind: Kind,
  block: number,
  form: Form,
  to = ['w', 'x'],
): { graph: Graph; dims: Record<string, Dims> } {
  const graph = new Graph();
  const op = kind.transposed ? 'ConvTranspose' : 'Conv';
  for (const [name, dims] of Object.entries({ x: kind.x, w: kind.w })) graph.addInput(name, 'float32', dims);
  const y = graph.addNode(op, ['x', 'w'], kind.attributes ?? {});
  const dy = inferShapes(graph, { x: kind.x, w: kind.w }).get(y) as Dims;
  const dims = { x: kind.x, w: kind.w, dy };
  graph.addInput('dy', 'float32', dy);
  const gradients = addGradients(graph, { inputDims: dims, from: { [y]: 'dy' }, to, keepConvs: true });
  for (const name of to)
    graph.addOutput(gradients.get(name) as string, 'float32', name === 'w' ? kind.w : kind.x);
  if (to.length > 1) graph.addOutput(y, 'float32', dy);
  return { graph: prune(form(graph, dims, block)), dims };
}

/** All outputs. */
async function runAll(graph: Graph, dims: Record<string, Dims>): Promise<Float32Array[]> {
  const session = await ort.InferenceSession.create(writeModel(graph), { logSeverityLevel: 3 });
  const feeds = Object.entries(dims).map(([name, sizes], i) => [
    name,
    new ort.Tensor('float32', random(sizes, i + 1).data as Float32Array, sizes),
  ]);
  const result = await session.run(Object.fromEntries(feeds));
  await session.release();
  return graph.outputs.map(({ name }) => result[name].data as Float32Array);
}

interface Kind {
  readonly x: Dims;
  readonly w: Dims;
  readonly attributes?: Readonly<Record<string, Dims | number>>;
  readonly transposed?: boolean;
  /** The largest error, as a share of the largest number. Default: 2e-6. */
  readonly tolerance?: number;
}

const pads = [1, 1, 1, 1, 1, 1];

const kinds: Readonly<Record<string, Kind>> = {
  'few channels': { x: [2, 3, 6, 5, 7], w: [7, 3, 3, 3, 3], attributes: { pads } },
  // Winograd's algorithm along the depth, which rounds more.
  'whole blocks': {
    x: [2, 16, 8, 6, 6],
    w: [32, 16, 3, 3, 3],
    attributes: { pads },
    tolerance: 1e-5,
  },
  'whole blocks, strides': {
    x: [2, 16, 8, 6, 10],
    w: [16, 16, 3, 3, 3],
    attributes: { pads, strides: [2, 2, 2] },
  },
  'whole blocks, unequal strides and kernels': {
    x: [1, 32, 6, 8, 8],
    w: [16, 32, 3, 1, 5],
    attributes: { pads: [1, 0, 2, 1, 0, 2], strides: [1, 1, 2] },
  },
  'from few channels to whole blocks': { x: [2, 3, 8, 6, 6], w: [16, 3, 3, 3, 3], attributes: { pads } },
  'few channels, slices fill the blocks': {
    x: [2, 2, 16, 6, 7],
    w: [3, 2, 3, 3, 5],
    attributes: { pads: [1, 1, 2, 1, 1, 2] },
  },
  'no pads, unequal kernel': { x: [1, 4, 7, 8, 9], w: [18, 4, 1, 3, 5] },
  'strides, odd sizes': { x: [2, 2, 9, 8, 7], w: [16, 2, 3, 3, 3], attributes: { pads, strides: [2, 2, 2] } },
  'a stride per axis, pads of one side': {
    x: [1, 3, 10, 9, 8],
    w: [9, 3, 2, 4, 3],
    attributes: { pads: [1, 2, 0, 0, 1, 2], strides: [3, 1, 2] },
  },
  dilations: {
    x: [2, 3, 9, 9, 9],
    w: [6, 3, 3, 3, 2],
    attributes: { pads: [2, 3, 1, 2, 3, 1], dilations: [2, 3, 1] },
  },
  // Long sums: in another order, they differ by more.
  'a filter in several bands': {
    x: [1, 2, 16, 24, 80],
    w: [96, 2, 3, 3, 3],
    attributes: { pads },
    tolerance: 1e-5,
  },
  // The same in the gradient of the weight, too.
  'whole blocks, many slices': {
    x: [2, 32, 24, 6, 4],
    w: [32, 32, 3, 3, 3],
    attributes: { pads: [1, 1, 1, 0, 1, 1] },
    tolerance: 1e-5,
  },
  'transposed, whole blocks': {
    x: [2, 32, 4, 5, 3],
    w: [32, 16, 3, 3, 3],
    attributes: { pads, strides: [2, 2, 2], output_padding: [1, 1, 1] },
    transposed: true,
  },
  transposed: {
    x: [2, 6, 4, 5, 3],
    w: [6, 2, 3, 3, 3],
    attributes: { pads, strides: [2, 2, 2], output_padding: [1, 1, 1] },
    transposed: true,
  },
};

for (const [name, kind] of Object.entries(kinds)) {
  test(`blocked convolutions give the values and gradients of standard ones: ${name}`, async () => {
    const plain = gradientGraph(kind, 1, forms['lowered']);
    const expected = await runAll(plain.graph, plain.dims);
    assert.not.ok(plain.graph.nodes.some((node) => node.domain !== ''));
    for (const block of [8, 16]) {
      for (const [way, form] of Object.entries(forms)) {
        const { graph, dims } = gradientGraph(kind, block, form);
        assert.ok(way === 'lowered' || graph.nodes.some((node) => node.domain !== ''));
        const graphs = [unblocked(graph, block, dims)];
        if (block === (await channelBlock())) graphs.push(graph);
        for (const one of graphs) {
          for (const [i, found] of (await runAll(one, dims)).entries()) {
            const scale = maxDifference(expected[i], new Float32Array(expected[i].length));
            const difference = maxDifference(found, expected[i]);
            assert.ok(scale > 0.1);
            assert.ok(
              difference <= (kind.tolerance ?? 2e-6) * scale,
              `${way}, blocks of ${block}, ${i}: ${difference} of ${scale}`,
            );
          }
        }
      }
    }
  });
}

test('gradients of groups, of few outputs and of kernels of one voxel have ONNX’s own operators', () => {
  const kernel = gradientGraph({ x: [1, 4, 5, 5, 5], w: [4, 4, 1, 1, 1] }, 16, forms['lowered'], ['w']);
  const groups = { x: [1, 32, 5, 5, 5], w: [32, 16, 3, 3, 3], attributes: { group: 2, pads } };
  const grouped = gradientGraph(groups, 16, forms['in blocks']);
  for (const { graph } of [kernel, grouped]) assert.ok(graph.nodes.every((node) => node.domain === ''));
});

test.run();
