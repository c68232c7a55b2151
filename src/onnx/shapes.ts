import { ModelError, show } from '../errors.js';
import { intOf, intsOf, textOf } from './edit.js';
import type { Graph, GraphNode } from './graph.js';
import { numbersOf, sizeOf, type Tensor } from './tensor.js';

/** Sizes of values by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

type Dims = readonly number[];

/**
 * The sizes of all values whose size follows from the inputs' sizes. Values behind an operator that is not
 * known here, or whose size depends on computed values, are absent: a pass leaves those alone.
 *
 * @param inputDims The size of each input, by name.
 */
export function inferShapes(graph: Graph, inputDims: Readonly<Record<string, Dims>>): Shapes {
  const shapes = new Map<string, Dims>(Object.entries(inputDims));
  const contents = new Map<string, Dims>();
  for (const [name, constant] of graph.initializers) note(name, constant);
  for (const node of graph.nodes) {
    const value = node.op === 'Constant' ? node.attributes['value'] : undefined;
    if (typeof value === 'object' && 'tensor' in value) note(node.outputs[0], value.tensor);
    const rule = ['', 'voxstream', 'com.microsoft.nchwc'].includes(node.domain) ? rules[node.op] : undefined;
    const inputs = node.inputs.map((name) => shapes.get(name));
    if (!rule || !inputs[0]) continue;
    const given = (index: number) => contents.get(node.inputs[index] ?? '');
    const outputs = rule(node, inputs as Dims[], given);
    for (const [index, dims] of outputs.entries()) if (dims) shapes.set(node.outputs[index], dims);
    const computed = contentRules[node.op]?.(node, inputs as Dims[], given);
    if (computed) contents.set(node.outputs[0], computed);
  }
  return shapes;

  function note(name: string, constant: Tensor): void {
    shapes.set(name, constant.dims);
    // Sizes, pads, axes and the like; no weights.
    if (constant.dims.length < 2 && constant.data.length <= 16) contents.set(name, numbersOf(constant));
  }
}

/**
 * The sizes of a model's one image input for one window: `[1, channels, ...roiSize]`.
 *
 * @throws ModelError when the model has not one such input, or its declared sizes are others.
 */
export function windowDims(graph: Graph, roiSize: Dims): Readonly<Record<string, Dims>> {
  const [input, ...rest] = graph.inputs;
  if (!input || rest.length > 0 || input.dims.length !== roiSize.length + 2) {
    throw new ModelError(
      `The model must have one input [batch, channels${', size'.repeat(roiSize.length)}], but it has ${graph.inputs
        .map(({ name, dims }) => `${name} ${show(dims)}`)
        .join(', ')}.`,
    );
  }
  const [, channels, ...sizes] = input.dims;
  if (typeof channels !== 'number') {
    throw new ModelError(
      `The input ${input.name} must declare its number of channels, but it is "${channels}".`,
    );
  }
  for (const [axis, size] of sizes.entries()) {
    if (typeof size === 'number' && size !== roiSize[axis]) {
      throw new ModelError(`The model takes windows of ${show(sizes)} voxels, not of ${show(roiSize)}.`);
    }
  }
  return { [input.name]: [1, channels, ...roiSize] };
}

/** The numbers that a node's input holds, where they are few and known. */
type Given = (index: number) => Dims | undefined;

type Rule = (node: GraphNode, inputs: readonly Dims[], given: Given) => readonly (Dims | undefined)[];

const same: Rule = (_node, [x]) => [x];

const broadcast: Rule = (_node, inputs) => {
  if (inputs.some((dims) => !dims)) return [];
  const rank = Math.max(...inputs.map((dims) => dims.length));
  const at = (dims: Dims, axis: number) => dims[axis - rank + dims.length] ?? 1;
  return [
    Array.from({ length: rank }, (_, axis) =>
      inputs.reduce((size, dims) => (size === 1 ? at(dims, axis) : size), 1),
    ),
  ];
};

/** Sizes after a window of `kernel` slid over `x`. */
function slide(node: GraphNode, x: Dims, kernel: Dims, channels: number): readonly Dims[] {
  const rank = kernel.length;
  const strides = intsOf(node, 'strides', Array<number>(rank).fill(1));
  const dilations = intsOf(node, 'dilations', Array<number>(rank).fill(1));
  const pads = intsOf(node, 'pads', Array<number>(2 * rank).fill(0));
  const round = intOf(node, 'ceil_mode', 0) ? Math.ceil : Math.floor;
  if (textOf(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return [];
  const sizes = kernel.map((k, i) =>
    round((x[i + 2] + pads[i] + pads[i + rank] - dilations[i] * (k - 1) - 1) / strides[i] + 1),
  );
  return [[x[0], channels, ...sizes]];
}

/** The axes of an operator that takes them as an attribute or, since opset 13 or 18, as an input. */
function axesOf(node: GraphNode, given: Given): readonly number[] | undefined {
  return given(1) ?? intsOf(node, 'axes', undefined);
}

const reduce: Rule = (node, [x], given) => {
  if (node.inputs[1] && !given(1)) return [];
  const named = axesOf(node, given) ?? [];
  if (named.length === 0 && intOf(node, 'noop_with_empty_axes', 0)) return [x];
  const axes = named.length === 0 ? x.map((_, axis) => axis) : named.map((axis) => normal(axis, x.length));
  const keep = intOf(node, 'keepdims', 1);
  return [x.flatMap((size, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [size]))];
};

const rules: Readonly<Record<string, Rule | undefined>> = {
  ...Object.fromEntries(
    [
      'Identity',
      'Relu',
      'LeakyRelu',
      'PRelu',
      'Elu',
      'Selu',
      'Celu',
      'Gelu',
      'Mish',
      'HardSigmoid',
      'HardSwish',
      'TensorScatter',
      'ReorderInput',
      'Sigmoid',
      'Tanh',
      'Softplus',
      'Erf',
      'Exp',
      'Log',
      'Neg',
      'Abs',
      'Sqrt',
      'Reciprocal',
      'Clip',
      'Cast',
      'Dropout',
      'Softmax',
      'LogSoftmax',
      'BatchNormalization',
      'InstanceNormalization',
      'GroupNormalization',
      'ScatterElements',
      'ScatterND',
      'LayerNormalization',
    ].map((op) => [op, same]),
  ),
  ...Object.fromEntries(
    ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Sum', 'Max', 'Min', 'Mean', 'Equal', 'Greater', 'Less', 'Where'].map(
      (op) => [op, broadcast],
    ),
  ),
  GlobalAveragePool: (_node, [[batch, channels, ...sizes]]) => [[batch, channels, ...sizes.map(() => 1)]],
  ReorderOutput: (node, [[batch, , ...sizes]]) => [[batch, intOf(node, 'channels', 0), ...sizes]],
  Conv: (node, [x, w]) => (w ? slide(node, x, w.slice(2), w[0]) : []),
  MaxPool: (node, [x]) => {
    const [dims] = slide(node, x, intsOf(node, 'kernel_shape', []), x[1]);
    return node.outputs.map(() => dims);
  },
  AveragePool: (node, [x]) => slide(node, x, intsOf(node, 'kernel_shape', []), x[1]),
  ConvTranspose: (node, [x, w]) => {
    if (!w || node.attributes['output_shape'] || textOf(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return [];
    const kernel = w.slice(2);
    const rank = kernel.length;
    const strides = intsOf(node, 'strides', Array<number>(rank).fill(1));
    const dilations = intsOf(node, 'dilations', Array<number>(rank).fill(1));
    const pads = intsOf(node, 'pads', Array<number>(2 * rank).fill(0));
    const more = intsOf(node, 'output_padding', Array<number>(rank).fill(0));
    const sizes = kernel.map(
      (k, i) => strides[i] * (x[i + 2] - 1) + more[i] + dilations[i] * (k - 1) + 1 - pads[i] - pads[i + rank],
    );
    return [[x[0], w[1] * intOf(node, 'group', 1), ...sizes]];
  },
  MatMul: (node, [a, b], given) => {
    if (!b) return [];
    const [rows, columns] = [a.slice(0, -1).slice(-1), b.length > 1 ? b.slice(-1) : []];
    const [before, behind] = [a.slice(0, -2), b.slice(0, -2)];
    const batch = broadcast(node, [before, behind], given)[0] as Dims;
    return [[...batch, ...rows, ...columns]];
  },
  Expand: (node, [x], given) => {
    const wanted = given(1);
    return wanted ? broadcast(node, [x, wanted], given) : [];
  },
  Unsqueeze: (node, [x], given) => {
    const axes = axesOf(node, given);
    if (!axes) return [];
    const rank = x.length + axes.length;
    const added = new Set(axes.map((axis) => normal(axis, rank)));
    const rest = [...x];
    return [Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.shift() as number)))];
  },
  Squeeze: (node, [x], given) => {
    if (node.inputs[1] && !given(1)) return [];
    const axes = axesOf(node, given)?.map((axis) => normal(axis, x.length));
    return [x.filter((size, axis) => (axes ? !axes.includes(axis) : size !== 1))];
  },
  Flatten: (node, [x]) => {
    const axis = normal(intOf(node, 'axis', 1), x.length);
    return [[sizeOf(x.slice(0, axis)), sizeOf(x.slice(axis))]];
  },
  ...Object.fromEntries(
    ['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSumSquare', 'ReduceLogSumExp'].map(
      (op): [string, Rule] => [op, reduce],
    ),
  ),
  Concat: (node, inputs) => {
    if (inputs.some((dims) => !dims)) return [];
    const axis = normal(intOf(node, 'axis', 0), inputs[0].length);
    const total = inputs.reduce((sum, dims) => sum + dims[axis], 0);
    return [inputs[0].map((size, i) => (i === axis ? total : size))];
  },
  Split: (node, [x], given) => {
    const axis = normal(intOf(node, 'axis', 0), x.length);
    if (node.inputs[1] && !given(1)) return [];
    const count = node.outputs.length;
    const sizes = given(1) ?? intsOf(node, 'split', Array<number>(count).fill(Math.ceil(x[axis] / count)));
    return sizes.map((part) => x.map((size, i) => (i === axis ? part : size)));
  },
  Gather: (node, [x, places]) => {
    if (!places) return [];
    const axis = normal(intOf(node, 'axis', 0), x.length);
    return [[...x.slice(0, axis), ...places, ...x.slice(axis + 1)]];
  },
  Transpose: (node, [x]) => [
    intsOf(
      node,
      'perm',
      x.map((_, i) => x.length - 1 - i),
    ).map((axis) => x[axis]),
  ],
  Reshape: (node, [x], given) => {
    const zeros = intOf(node, 'allowzero', 0) === 1;
    const wanted = given(1)?.map((size, i) => (size === 0 && !zeros ? x[i] : size));
    if (!wanted) return [];
    const known = wanted.reduce((product, size) => (size < 0 ? product : product * size), 1);
    const total = x.reduce((product, size) => product * size, 1);
    return [wanted.map((size) => (size < 0 ? total / known : size))];
  },
  Pad: (node, [x], given) => {
    const pads = given(1);
    if (!pads || node.inputs[3]) return [];
    return [x.map((size, i) => size + pads[i] + pads[i + x.length])];
  },
  Slice: (node, [x], given) => {
    const [starts, ends, axes, steps] = [1, 2, 3, 4].map(given);
    if (!starts || !ends || (node.inputs[3] && !axes) || (node.inputs[4] && !steps)) return [];
    const out = [...x];
    for (const [i, named] of (axes ?? starts.map((_, axis) => axis)).entries()) {
      const axis = normal(named, x.length);
      const step = steps?.[i] ?? 1;
      if (step < 0) return [];
      const clamp = (n: number) => Math.min(Math.max(n < 0 ? n + x[axis] : n, 0), x[axis]);
      out[axis] = Math.max(0, Math.ceil((clamp(ends[i]) - clamp(starts[i])) / step));
    }
    return [out];
  },
  Resize: (node, [x], given) => {
    if (node.attributes['axes']) return [];
    if (node.inputs[3]) return [given(3)];
    const scales = given(2);
    return scales?.length === x.length ? [scales.map((scale, i) => Math.floor(x[i] * scale))] : [];
  },
  Shape: (node, [x]) => {
    const [start, end] = [intOf(node, 'start', 0), intOf(node, 'end', x.length)];
    return [[x.slice(start, end).length]];
  },
  Gemm: (node, [a, b]) => {
    if (!b) return [];
    return [[a[intOf(node, 'transA', 0)], b[1 - intOf(node, 'transB', 0)]]];
  },
  DepthToSpace: (node, [x]) => {
    const block = intOf(node, 'blocksize', 1);
    return [[x[0], x[1] / block ** 2, x[2] * block, x[3] * block]];
  },
  /** Ours, between passes: see passes/pixelShuffle.ts. */
  PixelShuffle: (node, [x]) => {
    const factors = intsOf(node, 'factors', []);
    const phases = factors.reduce((product, factor) => product * factor, 1);
    return [[x[0], x[1] / phases, ...factors.map((factor, i) => x[i + 2] * factor)]];
  },
  /** See gradients/weightGradientNode.ts. */
  WeightGradient: (node) => [intsOf(node, 'weightDims', [])],
};

const sameContent = (_node: GraphNode, _inputs: readonly Dims[], given: Given) => given(0);

/**
 * What operators compute out of sizes, as PyTorch's exporter writes them: the batch counts as the one that
 * the inputs have.
 */
const contentRules: Readonly<
  Record<string, ((node: GraphNode, inputs: readonly Dims[], given: Given) => Dims | undefined) | undefined>
> = {
  Shape: (node, [x]) => x.slice(intOf(node, 'start', 0), intOf(node, 'end', x.length)),
  Identity: sameContent,
  Cast: (_node, _inputs, given) => given(0)?.map(Math.trunc),
  Unsqueeze: sameContent,
  Squeeze: sameContent,
  Reshape: sameContent,
  Gather: (_node, [x], given) => {
    const [values, places] = [given(0), given(1)];
    return places && values && x.length === 1
      ? places.map((place) => values[normal(place, x[0])])
      : undefined;
  },
  Slice: (_node, [x], given) => {
    const [values, starts, ends] = [0, 1, 2].map(given);
    if (x.length !== 1 || !values || starts?.length !== 1 || ends?.length !== 1) return undefined;
    return (given(4)?.[0] ?? 1) === 1 ? values.slice(starts[0], ends[0]) : undefined;
  },
  Concat: (node, _inputs, given) => {
    const parts = node.inputs.map((_, index) => given(index));
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  },
};

function normal(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
