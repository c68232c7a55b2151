import * as ort from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { channelBlock } from '#src/onnx/blockSize.js';
import { addGradients } from '#src/onnx/gradients/differentiate.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { inferShapes } from '#src/onnx/shapes.js';
import { unblocked } from '../blocked.js';
import { maxDifference, random } from '../models.js';

type Dims = readonly number[];

/** The weight's gradient of y = Conv(x, w) or ConvTranspose(x, w) on a processor with blocks of this size. */
function gradientGraph(kind: Kind, block: number): { graph: Graph; dims: Record<string, Dims> } {
  const graph = new Graph();
  const op = kind.transposed ? 'ConvTranspose' : 'Conv';
  for (const [name, dims] of Object.entries({ x: kind.x, w: kind.w })) graph.addInput(name, 'float32', dims);
  const y = graph.addNode(op, ['x', 'w'], kind.attributes ?? {});
  const dy = inferShapes(graph, { x: kind.x, w: kind.w }).get(y) as Dims;
  const dims = { x: kind.x, w: kind.w, dy };
  graph.addInput('dy', 'float32', dy);
  const gradient = addGradients(graph, { inputDims: dims, from: { [y]: 'dy' }, to: ['w'], block }).get('w');
  graph.addOutput(gradient as string, 'float32', kind.w);
  return { graph, dims };
}

async function runAll(graph: Graph, dims: Record<string, Dims>): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(writeModel(graph), { logSeverityLevel: 3 });
  const feeds = Object.entries(dims).map(([name, sizes], i) => [
    name,
    new ort.Tensor('float32', random(sizes, i + 1).data as Float32Array, sizes),
  ]);
  const result = await session.run(Object.fromEntries(feeds));
  await session.release();
  return result[graph.outputs[0].name].data as Float32Array;
}

interface Kind {
  readonly x: Dims;
  readonly w: Dims;
  readonly attributes?: Readonly<Record<string, Dims>>;
  readonly transposed?: boolean;
}

const pads = [1, 1, 1, 1, 1, 1];

const kinds: Readonly<Record<string, Kind>> = {
  'few channels': { x: [2, 3, 6, 5, 7], w: [7, 3, 3, 3, 3], attributes: { pads } },
  'whole blocks': { x: [2, 16, 8, 6, 6], w: [32, 16, 3, 3, 3], attributes: { pads } },
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
  'a filter in several bands': { x: [1, 2, 16, 48, 40], w: [48, 2, 3, 3, 3], attributes: { pads } },
  transposed: {
    x: [2, 6, 4, 5, 3],
    w: [6, 2, 3, 3, 3],
    attributes: { pads, strides: [2, 2, 2], output_padding: [1, 1, 1] },
    transposed: true,
  },
};

for (const [name, kind] of Object.entries(kinds)) {
  test(`blocked convolutions give the weight's gradient: ${name}`, async () => {
    const plain = gradientGraph(kind, 1);
    const expected = await runAll(plain.graph, plain.dims);
    assert.not.ok(plain.graph.nodes.some((node) => node.domain !== ''));
    const scale = maxDifference(expected, new Float32Array(expected.length));
    assert.ok(scale > 0.1);
    for (const block of [8, 16]) {
      const { graph, dims } = gradientGraph(kind, block);
      assert.ok(graph.nodes.some((node) => node.domain !== ''));
      const forms = [unblocked(graph, block, dims)];
      if (block === (await channelBlock())) forms.push(graph);
      for (const form of forms) {
        const difference = maxDifference(await runAll(form, dims), expected);
        assert.ok(difference <= 2e-6 * scale, `blocks of ${block}: ${difference} of ${scale}`);
      }
    }
  });
}

test('groups, few outputs and kernels of one voxel have ONNX’s own operators', () => {
  const grouped: Kind = { x: [1, 4, 5, 5, 5], w: [4, 2, 3, 3, 3], attributes: {} };
  const { graph } = gradientGraph({ x: [1, 4, 5, 5, 5], w: [4, 4, 1, 1, 1] }, 16);
  assert.ok(graph.nodes.every((node) => node.domain === ''));
  const two = new Graph();
  for (const [name, dims] of Object.entries({ x: grouped.x, w: grouped.w }))
    two.addInput(name, 'float32', dims);
  const y = two.addNode('Conv', ['x', 'w'], { group: 2 });
  two.addInput('dy', 'float32', [1, 4, 3, 3, 3]);
  const inputDims = { x: grouped.x, w: grouped.w, dy: [1, 4, 3, 3, 3] };
  addGradients(two, { inputDims, from: { [y]: 'dy' }, to: ['w'], block: 16 });
  assert.ok(two.nodes.every((node) => node.domain === ''));
});

test.run();
