import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { channelBlock } from '#src/onnx/blockSize.js';
import type { Graph } from '#src/onnx/graph.js';
import { convTransposePhases } from '#src/onnx/passes/convTransposePhases.js';
import { delayShuffle } from '#src/onnx/passes/delayShuffle.js';
import { lowerPixelShuffle } from '#src/onnx/passes/pixelShuffle.js';
import { sliceConvs } from '#src/onnx/passes/sliceConvs.js';
import { inferShapes } from '#src/onnx/shapes.js';
import { int64s } from '#src/onnx/tensor.js';
import { unblocked } from '../blocked.js';
import { assertSame, conv, convTranspose, graphOf, leakyRelu, ops, random } from '../models.js';

const machineBlock = await channelBlock();

/**
 * Slices a graph for both sizes of blocks, and compares the numbers: as ONNX's own operators on any
 * processor, and as they are where this one has blocks of that size.
 */
async function check(
  graph: Graph,
  dims: readonly number[],
  expected: Graph = graph,
  oneWindow = false,
): Promise<Graph> {
  const shapes = inferShapes(graph, { x: dims });
  const batch = [oneWindow ? 1 : 2, ...dims.slice(1)];
  let last = graph;
  for (const block of [8, 16]) {
    last = lowerPixelShuffle(sliceConvs(graph, shapes, block, { oneWindow }), shapes);
    assert.not.ok(last.nodes.some((node) => node.op === 'ConvTranspose'));
    await assertSame(unblocked(last, block, { x: dims }), expected, batch, 5e-6);
    if (block === machineBlock) await assertSame(last, expected, batch, 5e-6);
  }
  return last;
}

test('one convolution: channels of every remainder, strides, pads, dilations and kernels', async () => {
  const kinds: [channels: [number, number], kernel: number[], attributes: Record<string, number[]>][] = [
    [[1, 16], [3, 3, 3], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] }],
    [[3, 5], [3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
    [[16, 16], [3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
    [[20, 18], [3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
    [[16, 8], [3, 3, 3], {}],
    [[24, 16], [1, 1, 1], {}],
    [[8, 40], [5, 3, 1], { pads: [0, 1, 0, 3, 2, 1], strides: [2, 1, 2] }],
    [[16, 16], [3, 3, 3], { pads: [2, 2, 1, 2, 2, 1], dilations: [2, 2, 1] }],
    [[2, 4], [2, 2, 2], { strides: [3, 1, 2] }],
  ];
  for (const [channels, kernel, attributes] of kinds) {
    const graph = graphOf(channels[0], (g, x) => conv(g, x, channels, attributes, kernel), channels[1]);
    await check(graph, [1, channels[0], 6, 7, 8]);
  }
});

test('a head of many classes stays a convolution of whole volumes', async () => {
  const head = (classes: number) =>
    graphOf(16, (g, x) => conv(g, leakyRelu(g, conv(g, x, [16, 16])), [16, classes], {}, [1, 1, 1]), classes);
  const last = (graph: Graph) => graph.nodes.at(-1)?.op;
  assert.is(last(await check(head(40), [1, 16, 4, 5, 6])), 'Conv');
  assert.is.not(last(await check(head(16), [1, 16, 4, 5, 6])), 'Conv');
  const inside = graphOf(16, (g, x) => leakyRelu(g, conv(g, x, [16, 40], {}, [1, 1, 1])), 40);
  assert.not.ok(ops(await check(inside, [1, 16, 4, 5, 6])).includes('LeakyRelu'), 'it is not the head');
});

test("Winograd's tiles of every size, at depths that they do not divide, with strides and two taps", async () => {
  type Kind = [depth: number, kernel: number[], attributes: Record<string, number[]>, outputs?: number];
  const kinds: Kind[] = [
    [5, [3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
    [14, [3, 3, 3], { pads: [2, 1, 1, 0, 1, 1] }],
    [11, [2, 3, 3], { pads: [0, 1, 1, 1, 1, 1] }],
    [23, [3, 3, 3], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] }, 160],
  ];
  for (const [depth, kernel, attributes, outputs = 48] of kinds) {
    const graph = graphOf(48, (g, x) => leakyRelu(g, conv(g, x, [48, outputs], attributes, kernel)), outputs);
    const direct = ops(
      sliceConvs(graph, inferShapes(graph, { x: [1, 48, depth, 4, 5] }), 16, { largestTile: 1 }),
    );
    assert.not.ok(direct.includes('MatMul'));
    assert.ok(ops(await check(graph, [1, 48, depth, 4, 5])).includes('MatMul'));
  }
});

test('tiles that fit into the cache are processed in chunks, and joined', async () => {
  const graph = graphOf(16, (g, x) => leakyRelu(g, conv(g, x, [16, 16])), 16);
  const dims = [1, 16, 22, 50, 50];
  const sliced = sliceConvs(graph, inferShapes(graph, { x: dims }), 16, { oneWindow: true });
  assert.is(ops(sliced).filter((op) => op === 'LeakyRelu').length, 4);
  assert.not.ok(ops(sliced).includes('TensorScatter'));
  if (machineBlock === 16) await assertSame(sliced, graph, dims, 5e-6);
});

test('a convolution starts from the summand that it is added to', async () => {
  const graph = graphOf(
    2,
    (g, x) => {
      const other = leakyRelu(g, conv(g, x, [2, 16]));
      const sum = g.addNode('Add', [conv(g, x, [2, 16]), other]);
      // Others read the second convolution, too: it cannot become the sum.
      const shared = conv(g, x, [2, 16]);
      return g.addNode('Mul', [g.addNode('Add', [sum, shared]), shared]);
    },
    16,
  );
  const made = ops(await check(graph, [1, 2, 4, 5, 6]));
  assert.is(made.filter((op) => op === 'Add').length, 1);
});

test('layers whose slices are too large are processed in chunks of tiles', async () => {
  const graph = graphOf(16, (g, x) => leakyRelu(g, conv(g, x, [16, 16])), 16);
  const shapes = inferShapes(graph, { x: [1, 16, 14, 200, 210] });
  const sliced = sliceConvs(graph, shapes, 16, { largestTile: 4 });
  assert.ok(ops(sliced).filter((op) => op === 'LeakyRelu').length > 2);
  if (machineBlock === 16) await assertSame(sliced, graph, [1, 16, 14, 200, 210], 5e-6);
});

test('smaller layers are processed at once', () => {
  const graph = graphOf(16, (g, x) => leakyRelu(g, conv(g, x, [16, 16])), 16);
  const shapes = inferShapes(graph, { x: [1, 16, 12, 100, 100] });
  const sliced = sliceConvs(graph, shapes, 16, { oneWindow: true });
  assert.is(ops(sliced).filter((op) => op === 'LeakyRelu').length, 1);
});

test('direct convolution also costs the copies of the slices that its taps read', () => {
  const attributes = { pads: [0, 0, 0, 1, 1, 1] };
  const graph = graphOf(32, (g, x) => leakyRelu(g, conv(g, x, [32, 16], attributes, [2, 2, 2])), 16);
  const shapes = inferShapes(graph, { x: [1, 32, 12, 8, 8] });
  const made = (cut: number) =>
    ops(sliceConvs(graph, shapes, 16, { costs: { output: 15, cut, combine: 17 } }));
  // With 43, tiles take 16 products more per value than direct convolution, and save copies of 832.
  assert.ok(made(43).includes('MatMul'));
  assert.not.ok(made(300).includes('MatMul'));
});

test('large layers write over their inputs, and make the slices of transposed convolutions when they are read', async () => {
  const graph = graphOf(
    16,
    (g, x) => {
      const a = leakyRelu(g, instanceNorm(g, conv(g, x, [16, 16]), 16));
      const down = conv(g, a, [16, 16], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] });
      const kernel = g.addConstant('up', random([16, 16, 2, 2, 2], 3));
      const up = g.addNode('ConvTranspose', [down, kernel], { strides: [2, 2, 2] });
      return conv(g, g.addNode('Concat', [up, a], { axis: 1 }), [32, 16]);
    },
    16,
  );
  const dims = [1, 16, 14, 200, 210];
  const phases = convTransposePhases(graph);
  const shapes = inferShapes(phases, { x: dims });
  const sliced = sliceConvs(phases, shapes, 16, { oneWindow: true });
  assert.is(sliced.opset, 24);
  const made = ops(sliced).filter((op) => op === 'TensorScatter' || op === 'Transpose');
  assert.ok(made.filter((op) => op === 'TensorScatter').length > 4);
  // One at each end of the graph; the others shuffle a few slices each.
  assert.ok(made.filter((op) => op === 'Transpose').length > 3);
  if (machineBlock === 16) await assertSame(sliced, graph, dims, 1e-5);
});

test('activations, residuals, concatenations and skips stay slices', async () => {
  const graph = graphOf(
    2,
    (g, x) => {
      const a = leakyRelu(g, conv(g, x, [2, 16]));
      const b = g.addNode('Add', [leakyRelu(g, conv(g, a, [16, 16])), a]);
      const c = g.addNode('Elu', [conv(g, b, [16, 16], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] })]);
      const up = convTranspose(g, c, [16, 16]);
      const joined = g.addNode('Concat', [a, up, b], { axis: 1 });
      return g.addNode('Relu', [conv(g, joined, [48, 3])]);
    },
    3,
  );
  const sliced = await check(convTransposePhases(graph), [1, 2, 4, 6, 8], graph);
  assert.not.ok(
    ops(sliced).includes('Elu') && ops(sliced).lastIndexOf('ReorderOutput') < ops(sliced).indexOf('Elu'),
  );
});

test('instance and group normalizations stay slices, with the activations behind them', async () => {
  const graph = graphOf(
    2,
    (g, x) => {
      const a = leakyRelu(g, instanceNorm(g, conv(g, x, [2, 20]), 20));
      const b = g.addNode('Add', [instanceNorm(g, conv(g, a, [20, 32]), 32), conv(g, a, [20, 32])]);
      const c = g.addNode('Relu', [groupNorm(g, b, 32, 4)]);
      const joined = g.addNode('Concat', [c, conv(g, c, [32, 16])], { axis: 1 });
      return conv(g, g.addNode('Tanh', [groupNorm(g, joined, 48, 8)]), [48, 3]);
    },
    3,
  );
  assert.ok(
    ops(await check(graph, [1, 2, 6, 5, 8])).includes('InstanceNormalization'),
    'batches of any size',
  );
  const sliced = await check(graph, [1, 2, 6, 5, 8], graph, true);
  assert.equal(
    ops(sliced).filter((op) => /InstanceNormalization|Relu|Tanh/.test(op)),
    [],
  );
});

function instanceNorm(graph: Graph, x: string, channels: number): string {
  const parameters = [1, 2].map((seed) => graph.addConstant('norm', random([channels], seed)));
  return graph.addNode('InstanceNormalization', [x, ...parameters], { epsilon: { float: 1e-3 } });
}

/** A group normalization as networks are built and exported. */
function groupNorm(graph: Graph, x: string, channels: number, groups: number): string {
  const apart = graph.addNode('Reshape', [x, graph.addConstant('shape', int64s([0, groups, -1]))]);
  const normal = instanceNorm(graph, apart, groups);
  const back = graph.addNode('Reshape', [normal, graph.addNode('Shape', [x])]);
  const [scale, bias] = [3, 4].map((seed) => graph.addConstant('affine', random([channels, 1, 1, 1], seed)));
  return graph.addNode('Add', [graph.addNode('Mul', [back, scale]), bias]);
}

test('a volume that is added to slices, or joined with them, becomes slices', async () => {
  const graph = graphOf(
    16,
    (g, x) => {
      const volume = g.addNode('Softmax', [x], { axis: 1 });
      const sum = g.addNode('Add', [volume, conv(g, x, [16, 16])]);
      const joined = g.addNode('Concat', [g.addNode('Relu', [sum]), g.addNode('Softmax', [x], { axis: 1 })], {
        axis: 1,
      });
      return conv(g, joined, [32, 3]);
    },
    3,
  );
  assert.is(ops(await check(graph, [1, 16, 6, 5, 4])).filter((op) => op === 'ReorderOutput').length, 1);
});

test('a value that others need whole is there in both forms', async () => {
  const graph = graphOf(
    16,
    (g, x) => {
      const a = conv(g, x, [16, 16]);
      const mean = g.addNode('GlobalAveragePool', [a]);
      return g.addNode('Mul', [conv(g, a, [16, 16]), mean]);
    },
    16,
  );
  await check(graph, [1, 16, 4, 4, 4]);
});

test('small heads in the phase domain and concatenations of channels that fill no block', async () => {
  const graph = graphOf(
    5,
    (g, x) => {
      const up = convTranspose(g, x, [5, 3]);
      const more = leakyRelu(g, convTranspose(g, x, [5, 4]));
      return g.addNode('Relu', [g.addNode('Concat', [up, more], { axis: 1 })]);
    },
    7,
  );
  await check(convTransposePhases(graph), [1, 5, 4, 4, 4], graph);
});

test('few channels: slices fill the blocks, with and without pads, bias and activation', async () => {
  const kinds: [channels: [number, number], kernel: number[], pads: number[]][] = [
    [
      [1, 1],
      [3, 3, 3],
      [1, 1, 1, 1, 1, 1],
    ],
    [
      [2, 3],
      [3, 3, 3],
      [1, 1, 1, 1, 1, 1],
    ],
    [
      [3, 2],
      [1, 3, 2],
      [0, 0, 0, 0, 2, 1],
    ],
    [
      [2, 2],
      [5, 1, 3],
      [0, 0, 1, 4, 0, 1],
    ],
  ];
  for (const [channels, kernel, pads] of kinds) {
    const graph = graphOf(
      channels[0],
      (g, x) => leakyRelu(g, conv(g, x, channels, { pads }, kernel)),
      channels[1],
    );
    await check(graph, [1, channels[0], 16, 5, 4]);
  }
  const unbiased = graphOf(
    2,
    (g, x) => {
      const w = g.addConstant('w', random([1, 2, 3, 3, 3]));
      return g.addNode('Conv', [g.addNode('Conv', [x, w]), g.addConstant('w', random([4, 1, 3, 1, 1]))]);
    },
    4,
  );
  await check(unbiased, [1, 2, 20, 5, 5]);
});

test('transposed convolutions to few channels and what follows', async () => {
  const kinds: [stride: number[], outputs: number][] = [
    [[2, 2, 2], 2],
    [[2, 2, 2], 1],
    [[2, 2, 2], 3],
    [[2, 2, 2], 6],
    [[1, 2, 2], 12],
    [[4, 1, 2], 5],
    [[1, 2, 2], 4],
    [[2, 1, 2], 4],
    [[2, 2, 1], 4],
  ];
  for (const [strides, outputs] of kinds) {
    const graph = graphOf(
      16,
      (g, x) => {
        const attributes = { strides, pads: [0, 0, 0, 0, 0, 0] };
        const up = leakyRelu(g, convTranspose(g, x, [16, outputs], attributes, strides));
        return g.addNode('Add', [up, conv(g, up, [outputs, outputs])]);
      },
      outputs,
    );
    await check(delayShuffle(convTransposePhases(graph), 0), [1, 16, 8, 3, 4], graph);
    await check(delayShuffle(convTransposePhases(graph)), [1, 16, 8, 3, 4], graph);
  }
});

test('values that fill no block and values that do are joined, added and convolved', async () => {
  const graph = graphOf(
    2,
    (g, x) => {
      const wide = conv(g, x, [2, 20], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] });
      const up = leakyRelu(g, convTranspose(g, wide, [20, 20]));
      const sum = g.addNode('Add', [conv(g, up, [20, 20]), up]);
      const full = conv(g, sum, [20, 16]);
      return g.addNode('Elu', [g.addNode('Concat', [full, x], { axis: 1 })]);
    },
    18,
  );
  await check(convTransposePhases(graph), [1, 2, 4, 4, 6], graph);
});

test('what is no 3D convolution stays, and so does one whose size is not known', () => {
  const plain = graphOf(2, (g, x) => g.addNode('Relu', [x]), 2);
  assert.is(sliceConvs(plain, inferShapes(plain, { x: [1, 2, 4, 4, 4] }), 8), plain);
  const unknown = graphOf(2, (g, x) => conv(g, x, [2, 2]), 2);
  assert.is(sliceConvs(unknown, new Map(), 8), unknown);
});

test('the file says for which block size it was made', () => {
  const graph = graphOf(16, (g, x) => conv(g, x, [16, 16]), 16);
  const shapes = inferShapes(graph, { x: [1, 16, 4, 4, 4] });
  assert.equal(sliceConvs(graph, shapes, 16).metadata, { 'voxstream.block': '16' });
});

test.run();
