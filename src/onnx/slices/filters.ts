import { floats, type Tensor } from '../tensor.js';

/** A dense convolution kernel: [outputs, inputs, depth, height, width], the width fastest. */
export interface Kernel {
  readonly outputs: number;
  readonly inputs: number;
  readonly size: readonly [number, number, number];
  readonly data: Float32Array;
}

/** The least multiple of `block` that is at least `count`. */
export function roundUp(count: number, block: number): number {
  return Math.ceil(count / block) * block;
}

export function kernelOf({ dims, data }: Tensor): Kernel {
  const [outputs, inputs, depth, height, width] = dims;
  return { outputs, inputs, size: [depth, height, width], data: data as Float32Array };
}

/**
 * The part of a kernel for some outputs, some inputs and a box of taps (first, and one past the last, per
 * axis).
 */
export function cutKernel(
  kernel: Kernel,
  outputs: readonly [number, number],
  inputs: readonly [number, number],
  box: Box,
): Kernel {
  const [, height, width] = kernel.size;
  const volume = kernel.size[0] * height * width;
  const size = box.map(([first, end]) => end - first) as [number, number, number];
  const data = new Float32Array(
    (outputs[1] - outputs[0]) * (inputs[1] - inputs[0]) * size[0] * size[1] * size[2],
  );
  let at = 0;
  for (let o = outputs[0]; o < outputs[1]; o++) {
    for (let i = inputs[0]; i < inputs[1]; i++) {
      const start = (o * kernel.inputs + i) * volume;
      for (let d = box[0][0]; d < box[0][1]; d++) {
        for (let h = box[1][0]; h < box[1][1]; h++) {
          for (let w = box[2][0]; w < box[2][1]; w++) {
            data[at++] = kernel.data[start + (d * height + h) * width + w];
          }
        }
      }
    }
  }
  return { outputs: outputs[1] - outputs[0], inputs: inputs[1] - inputs[0], size, data };
}

/** First tap and one past the last, of depth, height and width. */
export type Box = readonly [readonly [number, number], readonly [number, number], readonly [number, number]];

/** The smallest box of taps that holds all that are not zero for some outputs; one tap when all are zero. */
export function tapBox(kernel: Kernel, outputs: readonly [number, number]): Box {
  const [depth, height, width] = kernel.size;
  const volume = depth * height * width;
  const first = [depth, height, width];
  const end = [0, 0, 0];
  for (let tap = 0; tap < volume; tap++) {
    const place = [Math.floor(tap / (height * width)), Math.floor(tap / width) % height, tap % width];
    for (let row = outputs[0] * kernel.inputs; row < outputs[1] * kernel.inputs; row++) {
      if (kernel.data[row * volume + tap] === 0) continue;
      for (let axis = 0; axis < 3; axis++) {
        first[axis] = Math.min(first[axis], place[axis]);
        end[axis] = Math.max(end[axis], place[axis] + 1);
      }
      break;
    }
  }
  const range = (axis: number): readonly [number, number] => (end[axis] ? [first[axis], end[axis]] : [0, 1]);
  return [range(0), range(1), range(2)];
}

/**
 * One depth tap of a kernel in the order that ONNX Runtime's blocked convolution reads: [outputs / b, inputs
 * / b, height, width, b inputs, b outputs]; outputs and inputs are filled up with zeros to multiples of the
 * block b. With `planar`, for inputs that are not blocked, [outputs / b, inputs, height, width, b outputs].
 * The tensor's sizes are [outputs, inputs, height, width].
 */
export function packFilter(kernel: Kernel, tap: number, block: number, planar: boolean): Tensor {
  const [depth, height, width] = kernel.size;
  const outputs = roundUp(kernel.outputs, block);
  const inputs = planar ? kernel.inputs : roundUp(kernel.inputs, block);
  const inputBlock = planar ? 1 : block;
  const data = new Float32Array(outputs * inputs * height * width);
  for (let o = 0; o < kernel.outputs; o++) {
    const outer = Math.floor(o / block) * (inputs / inputBlock);
    for (let i = 0; i < kernel.inputs; i++) {
      const from = (o * kernel.inputs + i) * depth + tap;
      for (let h = 0; h < height; h++) {
        for (let w = 0; w < width; w++) {
          const place = ((outer + Math.floor(i / inputBlock)) * height + h) * width + w;
          data[(place * inputBlock + (i % inputBlock)) * block + (o % block)] =
            kernel.data[(from * height + h) * width + w];
        }
      }
    }
  }
  return floats([outputs, inputs, height, width], data);
}

/**
 * A kernel whose outputs come in another order: output i is what output `order[i]` was, or zeros where that
 * is -1.
 */
export function orderOutputs(kernel: Kernel, order: readonly number[]): Kernel {
  const row = kernel.data.length / kernel.outputs;
  const data = new Float32Array(order.length * row);
  for (const [to, from] of order.entries()) {
    if (from >= 0) data.set(kernel.data.subarray(from * row, (from + 1) * row), to * row);
  }
  return { ...kernel, outputs: order.length, data };
}
