import { intOf, textOf } from '../edit.js';
import type { GraphNode } from '../graph.js';
import { type Ops, range } from '../ops.js';
import { floats, numbersOf, sizeOf } from '../tensor.js';
import { type Dims, type GradientRule, type GradientTask, untrainable } from './rule.js';

/** The input voxels that make an output voxel along one axis: pairs of place and weight. */
type Mix = readonly (readonly [place: number, weight: number])[];

/**
 * Resize, which mixes voxels along each axis separately. Pad in its repeating modes does the same; see
 * `repeatingPad`.
 */
export const resamplingRules: Readonly<Record<string, GradientRule>> = {
  Resize: (task) => {
    const { ops, node, dy, inputDims, outputDims } = task;
    const x = inputDims[0] as Dims;
    const scales = task.constant(2);
    const given = scales && scales.data.length === x.length ? numbersOf(scales) : undefined;
    let gradient = dy;
    const dims = [...outputDims[0]];
    for (const [axis, size] of x.entries()) {
      const scale = given?.[axis] ?? dims[axis] / size;
      if (scale === 1 && dims[axis] === size) continue;
      const mixes = range(dims[axis]).map((place) => resizeMix(node, place, size, dims[axis], scale));
      gradient = unmix(ops, gradient, dims, axis, mixes, size);
      dims[axis] = size;
    }
    return [gradient];
  },
};

/**
 * The gradient of a Pad that repeats voxels: the last one (`edge`), those before it (`reflect`), the other
 * side's (`wrap`).
 */
export function repeatingPad(task: GradientTask, pads: readonly number[], mode: string): string {
  const { ops, dy, inputDims, outputDims } = task;
  const x = inputDims[0] as Dims;
  let gradient = dy;
  const dims = [...outputDims[0]];
  for (const [axis, size] of x.entries()) {
    if (pads[axis] === 0 && pads[axis + x.length] === 0) continue;
    const mixes = range(dims[axis]).map((place): Mix => {
      const at = place - pads[axis];
      const clamped = Math.min(Math.max(at, 0), size - 1);
      if (mode === 'edge') return [[clamped, 1]];
      if (mode === 'wrap') return [[((at % size) + size) % size, 1]];
      return [[at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at, 1]];
    });
    gradient = unmix(ops, gradient, dims, axis, mixes, size);
    dims[axis] = size;
  }
  return gradient;
}

/**
 * Returns the gradient of output voxels to the input voxels that made them: a product with the transposed
 * weights.
 */
function unmix(ops: Ops, dy: string, dims: Dims, axis: number, mixes: readonly Mix[], size: number): string {
  const outputs = mixes.length;
  const rest = dims.slice(axis + 1);
  const last = axis === dims.length - 1;
  // The last axis is multiplied from the right, any other from the left.
  const matrix = new Float32Array(size * outputs);
  for (const [output, mix] of mixes.entries()) {
    for (const [place, weight] of mix)
      matrix[last ? output * size + place : place * outputs + output] += weight;
  }
  const constant = ops.graph.addConstant('mix', floats(last ? [outputs, size] : [size, outputs], matrix));
  if (last) return ops.node('MatMul', [dy, constant]);
  const flat = ops.reshape(dy, [...dims.slice(0, axis), outputs, sizeOf(rest)]);
  return ops.reshape(ops.node('MatMul', [constant, flat]), [...dims.slice(0, axis), size, ...rest]);
}

/** Resize along one axis, as the ONNX specification defines it. */
function resizeMix(node: GraphNode, place: number, size: number, outputs: number, scale: number): Mix {
  const at = resizedPlace(
    textOf(node, 'coordinate_transformation_mode', 'half_pixel'),
    place,
    size,
    outputs,
    scale,
  );
  const mode = textOf(node, 'mode', 'nearest');
  const inside = (i: number) => Math.min(Math.max(i, 0), size - 1);
  if (at === undefined || (mode !== 'nearest' && mode !== 'linear') || intOf(node, 'antialias', 0)) {
    throw untrainable(
      node,
      'its mode must be nearest or linear, without antialiasing and without a region of interest',
    );
  }
  if (mode === 'nearest')
    return [[inside(roundings[textOf(node, 'nearest_mode', 'round_prefer_floor')](at)), 1]];
  const low = Math.floor(at);
  const share = at - low;
  return [
    [inside(low), 1 - share],
    [inside(low + 1), share],
  ];
}

function resizedPlace(
  mode: string,
  place: number,
  size: number,
  outputs: number,
  scale: number,
): number | undefined {
  switch (mode) {
    case 'half_pixel':
      return (place + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return outputs > 1 ? (place + 0.5) / scale - 0.5 : 0;
    case 'align_corners':
      return outputs > 1 ? (place * (size - 1)) / (outputs - 1) : 0;
    case 'asymmetric':
      return place / scale;
    default:
      return undefined;
  }
}

const roundings: Readonly<Record<string, (at: number) => number>> = {
  round_prefer_floor: (at) => Math.ceil(at - 0.5),
  round_prefer_ceil: (at) => Math.floor(at + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};
