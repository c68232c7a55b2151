import type { Vec3 } from '../volume/volume.js';
import { mirrorWindow } from '../volume/windows.js';

/** Runs the model on windows and returns its output. The output's memory is used again by the next run. */
type Run = (input: Float32Array) => Promise<Float32Array>;

/** Windows to run, and their mirror images. */
export interface MirroredRuns {
  /** Windows behind each other, each with its channels. */
  readonly input: Float32Array;
  /** Windows times channels, of the input and of the output. */
  readonly inputs: number;
  readonly outputs: number;
  /** The sizes of a window's axes, the last one fastest. */
  readonly dims: Vec3;
  /** The numbers of the axes to mirror. */
  readonly axes: readonly number[];
}

/**
 * The mean of the model's outputs for windows and for their mirror images along every combination of some
 * axes, mirrored back: test-time augmentation as in nnU-Net. Without axes, it is the output for the windows.
 *
 * @param sum Takes the sum of the outputs; as long as an output.
 */
export async function runMirrored(
  run: Run,
  { input, inputs, outputs, dims, axes }: MirroredRuns,
  mirrored: Float32Array,
  sum: Float32Array,
): Promise<Float32Array> {
  const first = await run(input);
  if (axes.length === 0) return first;
  sum.set(first);
  const images = mirrorImages(axes);
  for (const flips of images) {
    mirrorWindow(input, inputs, dims, flips, false, mirrored);
    mirrorWindow(await run(mirrored), outputs, dims, flips, true, sum);
  }
  for (let i = 0; i < sum.length; i++) sum[i] /= images.length + 1;
  return sum;
}

/**
 * The mirror images of a window along every combination of one axis or more: whether each axis is mirrored.
 * Single axes come first, as nnU-Net adds them up.
 */
export function mirrorImages(axes: readonly number[]): boolean[][] {
  const all = Array.from({ length: 2 ** axes.length - 1 }, (_, i) =>
    axes.filter((_axis, k) => ((i + 1) >> k) & 1),
  );
  const sorted = all.sort((a, b) => a.length - b.length);
  return sorted.map((image) => [0, 1, 2].map((axis) => image.includes(axis)));
}
