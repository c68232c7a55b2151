import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Graph } from '#src/onnx/graph.js';
import { convTransposePhases } from '#src/onnx/passes/convTransposePhases.js';
import { delayShuffle } from '#src/onnx/passes/delayShuffle.js';
import { dropIdentity } from '#src/onnx/passes/dropIdentity.js';
import { foldBatchNorm } from '#src/onnx/passes/foldBatchNorm.js';
import { foldResidual } from '#src/onnx/passes/foldResidual.js';
import { mergeConvs } from '#src/onnx/passes/mergeConvs.js';
import { lowerPixelShuffle } from '#src/onnx/passes/pixelShuffle.js';
import { preluToLeakyRelu } from '#src/onnx/passes/preluToLeakyRelu.js';
import { raiseOpset } from '#src/onnx/passes/raiseOpset.js';
import { twoClassHead } from '#src/onnx/passes/twoClassHead.js';
import { ungroupConvs } from '#src/onnx/passes/ungroupConvs.js';
import { inferShapes } from '#src/onnx/shapes.js';
import { floats } from '#src/onnx/tensor.js';
import { assertSame, conv, convTranspose, graphOf, leakyRelu, ops, random, run } from '../models.js';

function batchNorm(graph: Graph, x: string, channels: number): string {
  const positive = (seed: number) =>
    floats(
      [channels],
      (random([channels], seed).data as Float32Array).map((v) => v + 1),
    );
  const constants = [positive(5), random([channels], 6), random([channels], 7), positive(8)];
  const names = constants.map((constant) => graph.addConstant('bn', constant));
  return graph.addNode('BatchNormalization', [x, ...names], { epsilon: { float: 0.1 } });
}

/** The shuffles of a graph as ONNX's own operators, for windows of these sizes. */
function lowered(graph: Graph, dims: readonly number[]): Graph {
  return lowerPixelShuffle(graph, inferShapes(graph, { x: dims }));
}

test('foldBatchNorm folds into convolutions, transposed ones and groups included', async () => {
  const graph = graphOf(
    4,
    (g, x) => {
      const a = batchNorm(g, conv(g, x, [4, 6]), 6);
      const b = batchNorm(g, convTranspose(g, a, [6, 3]), 3);
      const grouped = g.addNode('ConvTranspose', [b, g.addConstant('w', random([3, 2, 2, 2, 2], 3))], {
        group: 3,
      });
      return batchNorm(g, grouped, 6);
    },
    6,
  );
  const folded = foldBatchNorm(graph);
  assert.equal(ops(folded), ['Conv', 'ConvTranspose', 'ConvTranspose']);
  await assertSame(folded, graph, [2, 4, 3, 4, 5]);
});

test('foldBatchNorm leaves a convolution that somebody else sees', () => {
  const graph = graphOf(
    4,
    (g, x) => {
      const a = conv(g, x, [4, 4]);
      return g.addNode('Add', [a, batchNorm(g, a, 4)]);
    },
    4,
  );
  assert.equal(ops(foldBatchNorm(graph)), ['Conv', 'BatchNormalization', 'Add']);
});

test('preluToLeakyRelu takes one slope, alone or repeated, and leaves several', async () => {
  const prelu = (g: Graph, x: string, slopes: number[]) =>
    g.addNode('PRelu', [x, g.addConstant('slope', floats([slopes.length, 1, 1, 1], slopes))]);
  const graph = graphOf(2, (g, x) => prelu(g, prelu(g, prelu(g, x, [0.3]), [0.4, 0.4]), [0.5, 0.6]), 2);
  const changed = preluToLeakyRelu(graph);
  assert.equal(ops(changed), ['LeakyRelu', 'LeakyRelu', 'PRelu']);
  await assertSame(changed, graph, [1, 2, 2, 2, 2]);
});

test('dropIdentity takes out what hands on, so that other passes see convolutions and heads', async () => {
  const off = { type: 'bool', dims: [], data: new Uint8Array([0]) } as const;
  const graph = graphOf(
    2,
    (g, x) => {
      const hidden = g.addNode('Identity', [conv(g, g.addNode('Identity', [x]), [2, 4])]);
      const dropped = g.addNode('Dropout', [
        batchNorm(g, hidden, 4),
        g.addConstant('ratio', floats([], [0.5])),
        g.addConstant('training', off),
      ]);
      return g.addNode('Identity', [g.addNode('Dropout', [conv(g, dropped, [4, 2])])]);
    },
    2,
  );
  const bare = dropIdentity(graph);
  assert.equal(ops(bare), ['Conv', 'BatchNormalization', 'Conv']);
  assert.equal(
    bare.outputs.map(({ name }) => name),
    graph.outputs.map(({ name }) => name),
  );
  assert.equal(ops(foldBatchNorm(bare)), ['Conv', 'Conv']);
  assert.is.not(twoClassHead(bare), bare);
  await assertSame(bare, graph, [1, 2, 4, 4, 4]);
  assert.is(dropIdentity(bare), bare);
});

test('dropIdentity leaves a second name for an input or an output, a dropout that trains and one whose mask is used', () => {
  const names = graphOf(2, (g, x) => g.addNode('Identity', [x]), 2);
  assert.is(dropIdentity(names), names);
  const twice = graphOf(2, (g, x) => g.addNode('Relu', [x]), 2);
  twice.addOutput(twice.addNode('Identity', [twice.outputs[0].name]), 'float32', twice.outputs[0].dims);
  assert.is(dropIdentity(twice), twice);
  const on = { type: 'bool', dims: [], data: new Uint8Array([1]) } as const;
  const training = graphOf(
    2,
    (g, x) => g.addNode('Dropout', [x, g.addConstant('ratio', floats([], [0.5])), g.addConstant('on', on)]),
    2,
  );
  assert.is(dropIdentity(training), training);
  const masked = graphOf(
    2,
    (g, x) => {
      const kept = g.addNode('Dropout', [g.addNode('Relu', [x])], {}, { outputs: ['kept', 'mask'] });
      return g.addNode('Where', ['mask', kept, x]);
    },
    2,
  );
  assert.is(dropIdentity(masked), masked);
});

test('mergeConvs merges what reads the same input alike, and no other', async () => {
  const graph = graphOf(
    3,
    (g, x) => {
      const a = conv(g, x, [3, 2]);
      const b = leakyRelu(g, conv(g, x, [3, 2]));
      const other = conv(g, x, [3, 2], {}, [1, 1, 1]);
      const unbiased = g.addNode('Conv', [x, g.addConstant('w', random([2, 3, 3, 3, 3], 4))], {
        pads: [1, 1, 1, 1, 1, 1],
      });
      return g.addNode('Sum', [a, b, other, unbiased]);
    },
    2,
  );
  const merged = mergeConvs(graph);
  assert.equal(ops(merged), ['Conv', 'Split', 'LeakyRelu', 'Conv', 'Sum']);
  await assertSame(merged, graph, [2, 3, 4, 4, 4]);
  graph.opset = 11;
  await assertSame(mergeConvs(graph), graph, [2, 3, 4, 4, 4]);
});

test('convTransposePhases gives the same numbers for every kernel, stride and pad that it takes', async () => {
  const kinds: [number[], number[], number[], number[]][] = [
    // kernel, strides, pads, output padding
    [
      [3, 3, 3],
      [2, 2, 2],
      [1, 1, 1, 1, 1, 1],
      [1, 1, 1],
    ],
    [
      [2, 2, 2],
      [2, 2, 2],
      [0, 0, 0, 0, 0, 0],
      [0, 0, 0],
    ],
    [
      [4, 4, 4],
      [2, 2, 2],
      [1, 1, 1, 1, 1, 1],
      [0, 0, 0],
    ],
    [
      [1, 3, 3],
      [1, 2, 2],
      [0, 1, 1, 0, 1, 1],
      [0, 1, 1],
    ],
    [
      [3, 2, 5],
      [1, 2, 3],
      [1, 0, 1, 1, 0, 1],
      [0, 0, 0],
    ],
  ];
  for (const [kernel, strides, pads, padding] of kinds) {
    const attributes = { strides, pads, output_padding: padding };
    const graph = graphOf(3, (g, x) => convTranspose(g, x, [3, 2], attributes, kernel), 2);
    const changed = lowered(convTransposePhases(graph), [1, 3, 3, 4, 5]);
    assert.equal(ops(changed), ['Conv', 'Reshape', 'Transpose', 'Reshape'], String(kernel));
    await assertSame(changed, graph, [2, 3, 3, 4, 5]);
  }
});

test('lowerPixelShuffle computes sizes that are not known when the model runs', async () => {
  const graph = graphOf(3, (g, x) => convTranspose(g, x, [3, 2]), 2);
  const changed = lowerPixelShuffle(convTransposePhases(graph), new Map());
  assert.ok(ops(changed).includes('Shape'));
  await assertSame(changed, graph, [2, 3, 3, 4, 5]);
  await assertSame(changed, graph, [1, 3, 2, 2, 2]);
});

test('convTransposePhases cuts off what the output has less than a multiple of its input', async () => {
  // Kernel 3 with stride 2 gives 2 n - 1 voxels; kernel 1 with stride 3 gives 3 n - 2.
  for (const [kernel, strides, pads] of [
    [
      [3, 3, 3],
      [2, 2, 2],
      [1, 1, 1, 1, 1, 1],
    ],
    [
      [1, 2, 1],
      [3, 2, 1],
      [0, 0, 0, 0, 0, 0],
    ],
  ]) {
    const graph = graphOf(3, (g, x) => convTranspose(g, x, [3, 2], { strides, pads }, kernel), 2);
    const changed = lowered(convTransposePhases(graph), [1, 3, 3, 4, 5]);
    assert.equal(ops(changed), ['Conv', 'Reshape', 'Transpose', 'Reshape', 'Slice']);
    await assertSame(changed, graph, [2, 3, 3, 4, 5]);
  }
});

test('ungroupConvs gives the same numbers with one group', async () => {
  const graph = graphOf(
    4,
    (g, x) => {
      const pads = [1, 1, 1, 1, 1, 1];
      const two = g.addNode(
        'Conv',
        [x, g.addConstant('w', random([6, 2, 3, 3, 3], 3)), g.addConstant('b', random([6], 4))],
        { group: 2, pads },
      );
      return g.addNode('ConvTranspose', [two, g.addConstant('w', random([6, 1, 2, 2, 2], 5))], {
        group: 3,
        strides: [2, 2, 2],
      });
    },
    3,
  );
  const changed = ungroupConvs(graph);
  assert.equal(ops(changed), ['Conv', 'ConvTranspose']);
  assert.ok(changed.nodes.every(({ attributes }) => !('group' in attributes)));
  await assertSame(changed, graph, [2, 4, 3, 4, 5]);
});

test('convTransposePhases leaves one whose output is not a multiple of its input', () => {
  const odd = graphOf(3, (g, x) => convTranspose(g, x, [3, 2], { strides: [2, 2, 2] }), 2);
  assert.equal(ops(convTransposePhases(odd)), ['ConvTranspose']);
});

test('foldResidual adds the input through the kernel', async () => {
  const graph = graphOf(
    3,
    (g, x) => {
      const y = g.addNode('Add', [conv(g, x, [3, 3]), x]);
      return g.addNode('Add', [y, leakyRelu(g, conv(g, y, [3, 3]))]);
    },
    3,
  );
  const folded = foldResidual(graph);
  assert.equal(ops(folded), ['Conv', 'Conv', 'LeakyRelu', 'Add']);
  await assertSame(folded, graph, [1, 3, 4, 4, 4]);
});

test('delayShuffle keeps a small head in the phase domain', async () => {
  const graph = graphOf(
    4,
    (g, x) => {
      const up = leakyRelu(g, convTranspose(g, x, [4, 2]));
      return g.addNode('Add', [conv(g, up, [2, 2]), up]);
    },
    2,
  );
  const delayed = delayShuffle(convTransposePhases(graph));
  assert.equal(ops(delayed), ['Conv', 'LeakyRelu', 'Conv', 'Add', 'PixelShuffle']);
  await assertSame(lowered(delayed, [1, 4, 3, 4, 5]), graph, [2, 4, 3, 4, 5]);
});

test('delayShuffle takes unequal factors and larger kernels, and leaves convolutions of many channels', async () => {
  const attributes = { strides: [1, 2, 3], pads: [0, 0, 0, 0, 0, 0] };
  const graph = graphOf(
    2,
    (g, x) =>
      conv(
        g,
        convTranspose(g, x, [2, 2], attributes, [1, 2, 3]),
        [2, 1],
        { pads: [1, 2, 0, 1, 2, 0] },
        [3, 5, 1],
      ),
    1,
  );
  const delayed = delayShuffle(convTransposePhases(graph));
  assert.equal(ops(delayed), ['Conv', 'Conv', 'PixelShuffle']);
  await assertSame(lowered(delayed, [1, 2, 3, 4, 5]), graph, [1, 2, 3, 4, 5]);
  const wide = graphOf(4, (g, x) => conv(g, convTranspose(g, x, [4, 8]), [8, 8]), 8);
  assert.equal(ops(delayShuffle(convTransposePhases(wide))), ['Conv', 'PixelShuffle', 'Conv']);
});

test('twoClassHead gives the difference of two logits and says so in the metadata', async () => {
  const graph = graphOf(3, (g, x) => conv(g, x, [3, 2]), 2);
  const head = twoClassHead(graph);
  assert.equal(head.metadata, { 'voxstream.head': 'difference' });
  assert.is(head.outputs[0].dims[1], 1);
  const [two, one] = [await run(graph, [1, 3, 4, 4, 4]), await run(head, [1, 3, 4, 4, 4])];
  assert.equal(one.dims, [1, 1, 4, 4, 4]);
  for (let i = 0; i < 64; i++) {
    const softmax = Math.exp(two.data[64 + i]) / (Math.exp(two.data[i]) + Math.exp(two.data[64 + i]));
    assert.ok(Math.abs(softmax - 1 / (1 + Math.exp(-one.data[i]))) < 1e-6);
  }
  const three = graphOf(3, (g, x) => conv(g, x, [3, 3]), 3);
  assert.is(twoClassHead(three), three);
});

test('raiseOpset moves the axes of reductions, and leaves operators alone that changed', async () => {
  const graph = graphOf(2, (g, x) => g.addNode('ReduceMean', [x], { axes: [3, 4] }), 2);
  const raised = raiseOpset(graph);
  assert.is(raised.opset, 24);
  await assertSame(raised, graph, [2, 2, 3, 4, 5], 0);
  const pooled = graphOf(2, (g, x) => g.addNode('AveragePool', [x], { kernel_shape: [1, 2, 2] }), 2);
  assert.is(raiseOpset(pooled), pooled);
});

test.run();
