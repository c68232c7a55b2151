import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addGradients } from '#src/onnx/gradients/differentiate.js';
import { slidingOf } from '#src/onnx/gradients/sliding.js';
import { type WeightGradientForm, weightGradient } from '#src/onnx/gradients/weightGradient.js';
import { type Attribute, Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { Ops } from '#src/onnx/ops.js';
import * as ort from '#src/onnx/ort.js';
import { inferShapes } from '#src/onnx/shapes.js';
import { floats, int64s } from '#src/onnx/tensor.js';
import { useBatchStatistics } from '#src/onnx/training/batchStatistics.js';
import { maxDifference, random } from '../models.js';
import { assertGradients } from './finiteDifferences.js';

type Attributes = Readonly<Record<string, Attribute>>;
const node = (op: string, attributes: Attributes = {}) => ({
  build: (graph: Graph, operands: readonly string[]) => graph.addNode(op, operands, attributes),
});
/** Keeps values at least `gap` from zero, so that no kink lies between the two points of a difference. */
const apartFromZero = (gap: number) => (value: number) => value + Math.sign(value) * gap;
const ints = (graph: Graph, values: readonly number[]) => graph.addConstant('ints', int64s(values));

const convolutions: Readonly<Record<string, [number[], number[], Attributes]>> = {
  '3x3x3 that keeps the size': [[2, 3, 3, 4, 3], [2, 3, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
  'more outputs than inputs': [[2, 1, 3, 4, 3], [3, 1, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
  '1x1x1': [[2, 3, 2, 2, 3], [2, 3, 1, 1, 1], {}],
  'stride 2': [[1, 2, 4, 6, 4], [3, 2, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] }],
  'stride 2 on odd sizes': [
    [1, 2, 5, 4, 3],
    [2, 2, 3, 3, 3],
    { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2] },
  ],
  'unequal strides and pads': [
    [1, 2, 4, 6, 3],
    [2, 2, 1, 3, 2],
    { pads: [0, 1, 1, 0, 0, 0], strides: [1, 3, 1] },
  ],
  'dilation with stride 2': [
    [1, 2, 5, 6, 5],
    [2, 2, 3, 3, 2],
    { pads: [2, 2, 1, 2, 2, 0], strides: [2, 2, 2], dilations: [2, 2, 1] },
  ],
  'kernel smaller than its stride': [[1, 2, 4, 4, 4], [2, 2, 1, 1, 1], { strides: [2, 2, 2] }],
  groups: [[2, 4, 3, 3, 3], [6, 2, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1], group: 2 }],
  'groups with stride 2': [
    [1, 4, 4, 4, 4],
    [4, 1, 3, 3, 3],
    { pads: [1, 1, 1, 1, 1, 1], strides: [2, 2, 2], group: 4 },
  ],
  dilation: [[1, 2, 5, 5, 5], [2, 2, 3, 3, 3], { pads: [2, 2, 2, 2, 2, 2], dilations: [2, 2, 2] }],
  'pads wider than the kernel': [[1, 2, 3, 3, 3], [2, 2, 1, 1, 1], { pads: [1, 1, 1, 1, 1, 1] }],
  'two axes': [[1, 2, 5, 4], [3, 2, 3, 3], { pads: [1, 1, 1, 1] }],
};
for (const [name, [x, w, attributes]] of Object.entries(convolutions)) {
  test(`Conv: ${name}`, () => assertGradients({ operands: [x, w, [w[0]]], ...node('Conv', attributes) }));
}

const transposed: Readonly<Record<string, [number[], number[], Attributes]>> = {
  'doubling the size': [
    [2, 3, 2, 3, 2],
    [3, 2, 3, 3, 3],
    { strides: [2, 2, 2], pads: [1, 1, 1, 1, 1, 1], output_padding: [1, 1, 1] },
  ],
  'odd sizes': [[1, 2, 2, 3, 2], [2, 2, 3, 3, 3], { strides: [2, 2, 2], pads: [1, 1, 1, 1, 1, 1] }],
  groups: [[1, 4, 2, 2, 2], [4, 2, 2, 2, 2], { strides: [2, 2, 2], group: 2 }],
  dilation: [
    [1, 2, 2, 3, 2],
    [2, 2, 3, 3, 3],
    { strides: [2, 2, 2], pads: [1, 1, 1, 1, 1, 1], output_padding: [1, 0, 1], dilations: [2, 2, 1] },
  ],
  'stride 1': [[1, 2, 3, 3, 3], [2, 3, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
  'unequal strides, kernels and output padding': [
    [1, 2, 2, 2, 3],
    [2, 3, 3, 2, 1],
    { strides: [2, 2, 1], pads: [1, 0, 0, 1, 0, 0], output_padding: [1, 1, 0] },
  ],
  'three outputs per input': [[1, 1, 2, 2, 2], [1, 2, 3, 3, 3], { strides: [3, 3, 3] }],
};
for (const [name, [x, w, attributes]] of Object.entries(transposed)) {
  const channels = w[1] * ((attributes['group'] as number) ?? 1);
  test(`ConvTranspose: ${name}`, () =>
    assertGradients({ operands: [x, w, [channels]], ...node('ConvTranspose', attributes) }));
}

test('the gradient of a weight is the same in each form', async () => {
  for (const [xDims, wDims, attributes] of [
    [[2, 3, 4, 5, 3], [4, 3, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }],
    [[2, 3, 4, 5, 3], [2, 3, 3, 2, 3], { pads: [2, 0, 1, 0, 1, 1], dilations: [1, 2, 1] }],
    [[1, 2, 5, 6, 5], [3, 2, 3, 3, 2], { pads: [1, 1, 0, 1, 1, 1], strides: [2, 1, 2] }],
    [[2, 4, 3, 3, 3], [2, 2, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1], group: 2 }],
    [[2, 17, 4, 4, 3], [18, 17, 3, 2, 3], { pads: [1, 1, 0, 1, 0, 1] }],
  ] as [number[], number[], Attributes][]) {
    const graph = new Graph();
    const x = graph.addInitializer('x', random(xDims, 1));
    const conv = graph.addNode('Conv', [x, graph.addInitializer('w', random(wDims, 2))], attributes);
    const dyDims = inferShapes(graph, {}).get(conv) as number[];
    const dy = graph.addInitializer('dy', random(dyDims, 3));
    const sliding = slidingOf(graph.nodes[0], 3);
    const forms: WeightGradientForm[] = ['stacked'];
    if (sliding.group === 1) forms.push('convolution');
    if (sliding.group === 1 && !attributes['strides']) forms.push('slices');
    const outputs = forms.map((form) =>
      weightGradient(new Ops(graph), x, xDims, dy, dyDims, wDims, sliding, form),
    );
    for (const output of outputs) graph.addOutput(output, 'float32', wDims);
    const session = await ort.InferenceSession.create(writeModel(graph), { logSeverityLevel: 3 });
    const result = await session.run({});
    const [whole, ...others] = outputs.map((output) => result[output].data as Float32Array);
    for (const other of others) assert.ok(maxDifference(whole, other) < 2e-5);
  }
});

test('Conv with automatic padding is refused', () => {
  const graph = new Graph();
  const [x, w] = [graph.addInput('x', 'float32', [1, 1, 4]), graph.addInput('w', 'float32', [1, 1, 3])];
  const y = graph.addNode('Conv', [x, w], { auto_pad: 'SAME_UPPER' });
  const request = { inputDims: { x: [1, 1, 4], w: [1, 1, 3] }, from: { [y]: x }, to: ['w'] };
  assert.throws(
    () => addGradients(graph, request),
    /Conv\) cannot be trained through: the size of "Conv" is unknown/,
  );
});

test('BatchNormalization with given statistics', () =>
  assertGradients({
    operands: [[2, 3, 2, 2, 2], [3], [3]],
    build: (graph, operands) =>
      graph.addNode('BatchNormalization', [
        ...operands,
        graph.addConstant('mean', random([3], 5)),
        graph.addConstant('variance', floats([3], [0.5, 1, 2])),
      ]),
  }));

test('BatchNormalization with the statistics of the batch', () =>
  assertGradients({
    operands: [[2, 3, 3, 2, 2], [3], [3]],
    build: (graph, operands) =>
      graph.addNode('BatchNormalization', [
        ...operands,
        graph.addConstant('mean', random([3], 5)),
        graph.addConstant('variance', floats([3], [0.5, 1, 2])),
      ]),
    prepare: (graph, dims) => useBatchStatistics(graph, inferShapes(graph, dims)),
  }));

test('InstanceNormalization', () =>
  assertGradients({ operands: [[2, 3, 3, 2, 2], [3], [3]], ...node('InstanceNormalization') }));

test('LayerNormalization', () =>
  assertGradients({ operands: [[2, 3, 4], [4], [4]], ...node('LayerNormalization', { axis: -1 }) }));

test('Gather of rows, of which some are taken twice and some not at all', () =>
  assertGradients({
    operands: [[4, 3]],
    build: (graph, [table]) => graph.addNode('Gather', [table, ints(graph, [2, 0, 2, -1])]),
  }));

for (const [op, attributes] of [
  ['Relu'],
  ['LeakyRelu', { alpha: { float: 0.2 } }],
  ['Elu', { alpha: { float: 0.7 } }],
  ['Celu', { alpha: { float: 0.7 } }],
  ['Selu'],
  ['HardSigmoid'],
  ['HardSwish'],
  ['Mish'],
  ['Sigmoid'],
  ['Tanh'],
  ['Softplus'],
  ['Erf'],
  ['Identity'],
  ['Neg'],
  ['Abs'],
  ['Exp'],
] as [string, Attributes?][]) {
  test(op, () =>
    assertGradients({
      operands: [[2, 3, 4]],
      values: apartFromZero(0.02),
      opset: op === 'Mish' ? 18 : undefined,
      ...node(op, attributes),
    }),
  );
}
for (const op of ['Sqrt', 'Log', 'Reciprocal']) {
  test(op, () => assertGradients({ operands: [[2, 3, 4]], values: (value) => value + 1.5, ...node(op) }));
}

test('Clip passes nothing beyond its limits', async () => {
  const between = (low: string, high: string) => ({
    build: (graph: Graph, [x]: readonly string[]) => {
      const limits = { low: -0.2, high: 0.3, '': 0 };
      const inputs = [low, high].map((name) =>
        name ? graph.addConstant(name, floats([], [limits[name as 'low']])) : '',
      );
      return graph.addNode('Clip', [x, ...inputs]);
    },
  });
  for (const limits of [between('low', 'high'), between('low', ''), between('', 'high')]) {
    await assertGradients({ operands: [[2, 3, 4]], step: 1e-3, ...limits }, 5e-3);
  }
});

test('PRelu with one slope, and with one per channel', async () => {
  for (const slope of [[1], [3, 1, 1]]) {
    await assertGradients({ operands: [[2, 3, 2, 4], slope], values: apartFromZero(0.02), ...node('PRelu') });
  }
});

for (const op of ['Add', 'Sub', 'Mul', 'Div']) {
  test(`${op} of equal and of broadcast operands`, async () => {
    const values = (value: number) => value + 1.5;
    await assertGradients({
      operands: [
        [2, 3],
        [2, 3],
      ],
      values,
      ...node(op),
    });
    await assertGradients({
      operands: [
        [2, 3, 1],
        [3, 4],
      ],
      values,
      ...node(op),
    });
    await assertGradients({ operands: [[], [2, 2]], values, ...node(op) });
  });
}
test('Sum of several, one of them used twice', () =>
  assertGradients({
    operands: [[2, 3], [3]],
    build: (graph, [a, b]) => graph.addNode('Mul', [graph.addNode('Sum', [a, b, a]), a]),
  }));
test('Pow with a constant exponent', () =>
  assertGradients({
    operands: [[2, 3]],
    values: (value) => value + 1.5,
    build: (graph, [x]) => graph.addNode('Pow', [x, graph.addConstant('exponent', floats([], [3]))]),
  }));

test('Softmax and LogSoftmax along an axis', async () => {
  for (const op of ['Softmax', 'LogSoftmax']) {
    await assertGradients({ operands: [[2, 3, 4]], ...node(op, { axis: 1 }) });
    await assertGradients({ operands: [[2, 3, 4]], ...node(op) });
  }
});

test('Concat and Split', async () => {
  await assertGradients({
    operands: [
      [2, 1, 3],
      [2, 2, 3],
    ],
    ...node('Concat', { axis: -2 }),
  });
  await assertGradients({
    operands: [[2, 5]],
    build: (graph, [x]) => {
      const sizes = graph.addConstant('sizes', int64s([2, 1, 2]));
      graph.addNode('Split', [x, sizes], { axis: 1 }, { outputs: ['a', 'b', 'c1'] });
      return graph.addNode('Mul', ['a', 'c1']);
    },
  });
});

test('Slice with steps, from the end, and beyond it', async () => {
  const cases: [number[], number[], number[], number[]][] = [
    [
      [1, 0],
      [3, 9],
      [1, 2],
      [1, 1],
    ],
    [
      [-4, 1],
      [-1, 100],
      [-2, -1],
      [2, 3],
    ],
    [
      [0, 1, 0],
      [4, 4, 5],
      [0, 1, 2],
      [3, 2, 2],
    ],
  ];
  for (const lists of cases) {
    await assertGradients({
      operands: [[4, 4, 5]],
      build: (graph, [x]) => graph.addNode('Slice', [x, ...lists.map((values) => ints(graph, values))]),
    });
  }
});

test('Pad, also with negative pads', async () => {
  for (const pads of [
    [1, 0, 2, 0],
    [-1, 2, 1, -1],
  ]) {
    await assertGradients({
      operands: [[3, 4]],
      build: (graph, [x]) => graph.addNode('Pad', [x, ints(graph, pads)]),
    });
  }
});

test('Reshape, Flatten, Squeeze, Unsqueeze, Expand and Transpose', async () => {
  const twice = (graph: Graph, y: string) => graph.addNode('Mul', [y, y]);
  const through = (op: string, dims: number[], argument?: number[], attributes: Attributes = {}) =>
    assertGradients({
      operands: [dims],
      build: (graph, [x]) =>
        twice(graph, graph.addNode(op, [x, ...(argument ? [ints(graph, argument)] : [])], attributes)),
    });
  await through('Reshape', [2, 3, 4], [0, -1]);
  await through('Flatten', [2, 3, 4]);
  await through('Squeeze', [2, 1, 3, 1]);
  await through('Squeeze', [2, 1, 3, 1], [-1]);
  await through('Unsqueeze', [2, 3], [0, -1]);
  await through('Expand', [3, 1], [2, 3, 4]);
  await through('Transpose', [2, 3, 4], undefined, { perm: [1, 2, 0] });
  await through('Transpose', [2, 3, 4]);
});

test('Pad that repeats voxels', async () => {
  for (const mode of ['edge', 'reflect']) {
    await assertGradients({
      operands: [[2, 3, 4]],
      build: (graph, [x]) => graph.addNode('Pad', [x, ints(graph, [0, 1, 2, 0, 2, 1])], { mode }),
    });
  }
});

test('DepthToSpace', async () => {
  for (const mode of ['DCR', 'CRD']) {
    await assertGradients({ operands: [[2, 8, 2, 3]], ...node('DepthToSpace', { blocksize: 2, mode }) });
  }
});

test('Resize, linear and nearest, by scales and to sizes', async () => {
  const by = (scales: number[], attributes: Attributes) => ({
    build: (graph: Graph, [x]: readonly string[]) =>
      graph.addNode(
        'Resize',
        [x, '', graph.addConstant('scales', floats([scales.length], scales))],
        attributes,
      ),
  });
  const to = (sizes: number[], attributes: Attributes) => ({
    build: (graph: Graph, [x]: readonly string[]) =>
      graph.addNode('Resize', [x, '', '', graph.addConstant('sizes', int64s(sizes))], attributes),
  });
  const dims = [1, 2, 3, 4, 2];
  for (const mode of ['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel']) {
    const attributes = { mode: 'linear', coordinate_transformation_mode: mode };
    await assertGradients({ operands: [dims], ...by([1, 1, 2, 2, 2], attributes) });
    await assertGradients({ operands: [dims], ...to([1, 2, 5, 4, 1], attributes) });
  }
  for (const rounding of ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']) {
    const attributes = {
      mode: 'nearest',
      nearest_mode: rounding,
      coordinate_transformation_mode: 'asymmetric',
    };
    await assertGradients({ operands: [dims], ...by([1, 1, 2, 1.5, 2], attributes) });
  }
  const cubic = by([1, 1, 2, 2, 2], { mode: 'cubic' });
  const graph = new Graph();
  graph.addInput('x', 'float32', dims);
  const y = cubic.build(graph, ['x']);
  assert.throws(
    () => addGradients(graph, { inputDims: { x: dims }, from: { [y]: 'x' }, to: ['x'] }),
    /Resize\) cannot be trained through: its mode must be nearest or linear/,
  );
});

test('MaxPool, with windows that overlap, and of voxels that are equal', async () => {
  const operands = [[2, 2, 4, 5, 4]];
  const twos = { kernel_shape: [2, 2, 2], strides: [2, 2, 2] };
  const wide = { kernel_shape: [3, 3, 3], strides: [1, 2, 1], pads: [1, 1, 1, 1, 1, 1] };
  for (const attributes of [twos, wide]) {
    await assertGradients({ operands, step: 1e-4, opset: 18, ...node('MaxPool', attributes) }, 1e-2);
  }
  const graph = new Graph({ opset: 18 });
  graph.addInput('x', 'float32', [1, 1, 4]);
  graph.addInput('dy', 'float32', [1, 1, 2]);
  const y = graph.addNode('MaxPool', ['x'], { kernel_shape: [2], strides: [2] });
  const request = { inputDims: { x: [1, 1, 4], dy: [1, 1, 2] }, from: { [y]: 'dy' }, to: ['x'] };
  graph.addOutput(addGradients(graph, request).get('x') as string, 'float32', [1, 1, 4]);
  const session = await ort.InferenceSession.create(writeModel(graph));
  const [result] = Object.values(
    await session.run({
      x: new ort.Tensor('float32', [1, 1, 2, 3], [1, 1, 4]),
      dy: new ort.Tensor('float32', [5, 7], [1, 1, 2]),
    }),
  );
  assert.equal([...(result.data as Float32Array)], [5, 0, 0, 7]);
});

test('AveragePool', async () => {
  const operands = [[2, 2, 4, 5, 4]];
  await assertGradients({ operands, ...node('AveragePool', { kernel_shape: [2, 2, 2] }) });
  await assertGradients({
    operands,
    ...node('AveragePool', { kernel_shape: [2, 2, 2], strides: [2, 2, 2] }),
  });
  const padded = { kernel_shape: [3, 3, 3], pads: [1, 1, 1, 1, 1, 1], count_include_pad: 1 };
  await assertGradients({ operands, ...node('AveragePool', padded) });
});

test('Where, ReduceSumSquare and ReduceLogSumExp', async () => {
  await assertGradients({
    operands: [
      [2, 3],
      [1, 3],
    ],
    build: (graph, [a, b]) => {
      const condition = graph.addConstant('condition', {
        type: 'bool',
        dims: [2, 1],
        data: Uint8Array.of(1, 0),
      });
      const mixed = graph.addNode('Where', [condition, a, b]);
      return graph.addNode('Mul', [mixed, mixed]);
    },
  });
  for (const op of ['ReduceSumSquare', 'ReduceLogSumExp']) {
    await assertGradients({ operands: [[2, 3, 4]], ...node(op, { axes: [1] }) });
    await assertGradients({ operands: [[2, 3, 4]], ...node(op, { keepdims: 0 }) });
  }
});

test('MatMul of matrices, stacks and vectors', async () => {
  for (const operands of [
    [
      [3, 4],
      [4, 2],
    ],
    [
      [2, 3, 4],
      [2, 4, 2],
    ],
    [
      [2, 3, 4],
      [4, 2],
    ],
    [
      [2, 1, 3, 4],
      [3, 4, 2],
    ],
    [[4], [4, 2]],
    [[2, 3, 4], [4]],
    [[4], [4]],
  ]) {
    await assertGradients({ operands, ...node('MatMul') });
  }
});

test('Reductions over some axes and over all, kept and not', async () => {
  const dims = [2, 3, 4];
  for (const keepdims of [0, 1]) {
    for (const op of ['ReduceMean', 'ReduceMax', 'ReduceMin']) {
      await assertGradients({ operands: [dims], step: 1e-3, ...node(op, { axes: [0, -1], keepdims }) }, 5e-3);
      await assertGradients({ operands: [dims], step: 1e-3, ...node(op, { keepdims }) }, 5e-3);
    }
    await assertGradients({
      operands: [dims],
      build: (graph, [x]) => graph.addNode('ReduceSum', [x, ints(graph, [1])], { keepdims }),
    });
  }
  await assertGradients({ opset: 18, operands: [dims], build: (graph, [x]) => new Ops(graph).mean(x, [1]) });
});

test('What cannot be trained through is refused by name', () => {
  const graph = new Graph();
  const x = graph.addInput('x', 'float32', [2]);
  const y = graph.addNode('Floor', [graph.addNode('Relu', [x])], {}, { name: 'down' });
  const request = { inputDims: { x: [2] }, from: { [y]: x }, to: ['x'] };
  assert.throws(() => addGradients(graph, request), /The node down \(Floor\) cannot be trained through/);
  graph.opset = 12;
  assert.throws(() => addGradients(graph, request), /opset 12, but gradients need 13 or newer/);
});

test.run();
