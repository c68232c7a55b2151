import { type Ops, range } from '../ops.js';
import { floats, grid, sizeOf } from '../tensor.js';
import type { Dims, GradientRule } from './rule.js';
import { type Sliding, slidingOf } from './sliding.js';
import { weightGradient } from './weightGradient.js';
import { addWeightGradient, type WeightGradientTask } from './weightGradientNode.js';

/** Conv and ConvTranspose of any rank. Each is the gradient of the other. */
export const convRules: Readonly<Record<string, GradientRule>> = {
  Conv: ({ ops, node, dy, inputDims, outputDims, keepConvs }) => {
    const [x, w] = node.inputs;
    const [xDims, wDims] = inputDims as readonly Dims[];
    const sliding = slidingOf(node, wDims.length - 2);
    const transposed = keepConvs ? addConvTranspose : convTransposed;
    return [
      transposed(ops, dy, outputDims[0], w, wDims, sliding, xDims),
      gradientOfWeight(ops, keepConvs, { x, xDims, dy, dyDims: outputDims[0], weightDims: wDims, sliding }),
      biasGradient(ops, dy, outputDims[0]),
    ];
  },
  ConvTranspose: ({ ops, node, dy, inputDims, outputDims, keepConvs }) => {
    const [x, w] = node.inputs;
    const [xDims, wDims] = inputDims as readonly Dims[];
    const sliding = slidingOf(node, wDims.length - 2);
    return [
      ops.node('Conv', [dy, w], { ...sliding }),
      gradientOfWeight(ops, keepConvs, {
        x: dy,
        xDims: outputDims[0],
        dy: x,
        dyDims: xDims,
        weightDims: wDims,
        sliding,
      }),
      biasGradient(ops, dy, outputDims[0]),
    ];
  },
};

function gradientOfWeight(ops: Ops, keep: boolean, task: WeightGradientTask): string {
  if (keep) return addWeightGradient(ops, task);
  const { x, xDims, dy, dyDims, weightDims, sliding } = task;
  return weightGradient(ops, x, xDims, dy, dyDims, weightDims, sliding);
}

function biasGradient(ops: Ops, dy: string, dims: Dims): string {
  return ops.sum(
    dy,
    range(dims.length).filter((axis) => axis !== 1),
    false,
  );
}

/**
 * The transpose of a convolution: from `y` [N, O, ...] to [N, I, ...] of size `dims`, through the
 * convolution's weight [O, I / group, ...kernel]. It is the gradient of the convolution's input, and what
 * ConvTranspose computes (plus `bias`).
 *
 * ONNX Runtime is faster at convolutions than at their transposes, so this becomes one convolution where
 * possible: with stride 1 by the flipped kernel; with a stride that divides `dims` by a small kernel for each
 * phase of the output (see `convTransposePhases`), whose results are interleaved.
 */
export function convTransposed(
  ops: Ops,
  y: string,
  yDims: Dims,
  weight: string,
  weightDims: Dims,
  sliding: Sliding,
  dims: Dims,
  bias?: string,
): string {
  const { strides, dilations, pads, group } = sliding;
  const kernel = weightDims.slice(2);
  const rank = kernel.length;
  const [outputs, inner] = weightDims;
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]);
  const back = [...reach.map((r, i) => r - pads[i]), ...reach.map((r, i) => r - pads[i + rank])];
  if (strides.every((stride) => stride === 1) && back.every((pad) => pad >= 0)) {
    const taps = sizeOf(kernel);
    const flipped = picked(ops, weight, weightDims, range(taps).reverse());
    const shaped = taps === 1 ? flipped : ops.reshape(flipped, weightDims);
    const inputs = [y, swapChannels(ops, shaped, weightDims, group), ...(bias ? [bias] : [])];
    return ops.node('Conv', inputs, { dilations, pads: back, group });
  }
  const fits =
    dilations.every((dilation) => dilation === 1) &&
    kernel.every((_, i) => dims[i + 2] === yDims[i + 2] * strides[i]);
  if (!fits) return addConvTranspose(ops, y, yDims, weight, weightDims, sliding, dims, bias);
  // Phase r of an axis reads the inputs q + t for which r + pad - stride t is inside the kernel.
  const first = kernel.map((k, i) => Math.min(0, Math.ceil((pads[i] - k + 1) / strides[i])));
  const last = kernel.map((_, i) => Math.max(0, Math.floor((strides[i] - 1 + pads[i]) / strides[i])));
  const taps = first.map((t, i) => last[i] - t + 1);
  const places = grid(strides).flatMap((phase) =>
    grid(taps).map((tap) => {
      const place = kernel.map((_, i) => phase[i] + pads[i] - strides[i] * (first[i] + tap[i]));
      const inside = place.every((k, i) => k >= 0 && k < kernel[i]);
      return inside ? place.reduce((flat, k, i) => flat * kernel[i] + k, 0) : undefined;
    }),
  );
  const gathered = picked(ops, weight, weightDims, places);
  const phases = sizeOf(strides);
  const ordered = ops.transpose(
    ops.reshape(gathered, [group, outputs / group, inner, phases, sizeOf(taps)]),
    [0, 3, 2, 1, 4],
  );
  const kernels = ops.reshape(ordered, [group * phases * inner, outputs / group, ...taps]);
  const inputs = [y, kernels];
  if (bias) {
    // Each phase of a group has the group's bias.
    const one = ops.reshape(bias, [group, 1, inner]);
    inputs.push(ops.reshape(ops.expand(one, [group, phases, inner]), [group * phases * inner]));
  }
  const computed = ops.node('Conv', inputs, { pads: [...first.map((t) => -t), ...last], group });
  return interleaved(ops, computed, yDims[0] * group, inner, strides, yDims.slice(2), dims);
}

/** `convTransposed` as ONNX's own operator. */
function addConvTranspose(
  ops: Ops,
  y: string,
  yDims: Dims,
  weight: string,
  weightDims: Dims,
  sliding: Sliding,
  dims: Dims,
  bias?: string,
): string {
  const { strides, dilations, pads } = sliding;
  const kernel = weightDims.slice(2);
  const rank = kernel.length;
  const padding = kernel.map(
    (k, i) =>
      dims[i + 2] - strides[i] * (yDims[i + 2] - 1) - (k - 1) * dilations[i] - 1 + pads[i] + pads[i + rank],
  );
  const inputs = [y, weight, ...(bias ? [bias] : [])];
  return ops.node('ConvTranspose', inputs, { ...sliding, output_padding: padding });
}

/**
 * Interleaves phases: from [images, ...phases, channels, ...sizes] to [images, channels, size, phase, size,
 * phase, …], shaped as `dims`. The phase of the last axis goes first, because transposing two axes is fast;
 * after that, whole rows are moved.
 */
function interleaved(
  ops: Ops,
  value: string,
  images: number,
  channels: number,
  phases: Dims,
  sizes: Dims,
  dims: Dims,
): string {
  const rank = sizes.length;
  const [last, outer] = [phases[rank - 1], phases.slice(0, -1)];
  const merged = ops.reshape(value, [images * sizeOf(outer), last, channels * sizeOf(sizes)]);
  const rows = [...sizes.slice(0, -1), sizes[rank - 1] * last];
  const apart = ops.reshape(ops.transpose(merged, [0, 2, 1]), [images, ...outer, channels, ...rows]);
  // [0, channels, size, phase, size, phase, …, row]
  const order = range(rank - 1).flatMap((i) => [rank + 1 + i, 1 + i]);
  return ops.reshape(ops.transpose(apart, [0, rank, ...order, 2 * rank]), dims);
}

/**
 * Reorders the taps of a kernel, from [O, I / group, ...kernel] to [O, I / group, places]. An undefined place
 * becomes zero. It is a product with a matrix of zeros and ones: slices with a step of -1 and gathers are far
 * slower in ONNX Runtime.
 */
function picked(ops: Ops, weight: string, weightDims: Dims, places: readonly (number | undefined)[]): string {
  const [outputs, inner, ...kernel] = weightDims;
  const taps = sizeOf(kernel);
  if (taps === 1 && places.length === 1) return weight;
  const matrix = new Float32Array(taps * places.length);
  for (const [to, from] of places.entries()) if (from !== undefined) matrix[from * places.length + to] = 1;
  const constant = ops.graph.addConstant('places', floats([taps, places.length], matrix));
  return ops.node('MatMul', [ops.reshape(weight, [outputs, inner, taps]), constant]);
}

/** A weight [O, I / group, ...] as [I, O / group, ...]. */
function swapChannels(ops: Ops, weight: string, [outputs, inner, ...kernel]: Dims, group: number): string {
  const swap = [1, 0, ...range(kernel.length).map((i) => i + 2)];
  if (group === 1) return ops.transpose(weight, swap);
  const apart = ops.reshape(weight, [group, outputs / group, inner, ...kernel]);
  const swapped = ops.transpose(apart, [0, ...swap.map((axis) => axis + 1)]);
  return ops.reshape(swapped, [group * inner, outputs / group, ...kernel]);
}
