import type { Summation } from './cellSums.js';
import { divideBy_ } from './ensemble.js';
import type { Range } from './labels.js';
import { type Vec3, voxelCount } from './volume.js';
import { addWindow, countWindows, divideByCounts_, divideByWeights_, windowStart } from './windows.js';

/** Slices that are added up together. */
const slabSlices = 8;

/** The number of slabs of slices of a volume. */
export function slabCount([, , slices]: Vec3): number {
  return Math.ceil(slices / slabSlices);
}

/**
 * Adds up windows to the logits of a whole volume, slab by slab: a slab is a few slices of the volume. Steps
 * are the windows in the order of their numbers. Any thread may run each of them, and threads may add to
 * different slabs at the same time; in each slab, the windows must come in order.
 */
export class WholeSums {
  readonly #work: Summation & { readonly out: Float32Array };
  readonly #counts: readonly Float64Array[];
  #weightSums = new Float32Array(0);

  /** @param work `out` begins as zeros and has the size of the volume. */
  constructor(work: Summation & { readonly out: Float32Array }) {
    this.#work = work;
    this.#counts = countWindows(work.size, work.plan);
  }

  /** The first voxel of the window that is added in a step. */
  start(step: number): Vec3 {
    return windowStart(this.#work.plan, step);
  }

  /** The slabs that the window of a step is added to. */
  slabs(step: number): Range {
    const { plan, size } = this.#work;
    const start = this.start(step)[2];
    return {
      start: Math.floor(Math.max(0, start) / slabSlices),
      end: Math.ceil(Math.min(size[2], start + plan.roiSize[2]) / slabSlices),
    };
  }

  /** The number of windows that are added to a slab before that of a step. */
  turn(step: number, slab: number): number {
    const layers = this.#layers(slab);
    const perColumn = this.#work.plan.starts[2].length;
    const columns = Math.floor(step / perColumn);
    return columns * (layers.end - layers.start) + (step % perColumn) - layers.start;
  }

  /**
   * Adds the part of the model's output for the window of a step that is in a slab. The last one turns the
   * sums of the slab into means.
   */
  add(step: number, slab: number, values: Float32Array): void {
    const { plan, outChannels, size, axes, weights, out, models } = this.#work;
    const slices = this.#slices(slab);
    const turn = this.turn(step, slab);
    if (turn === 0 && !models?.place) this.#clear(slices);
    addWindow(values, outChannels, this.start(step), plan.roiSize, axes, weights, size, out, slices);
    if (turn + 1 === this.#turns(slab)) this.finish(slab);
  }

  /** Turns the sums of a slab into means after the last model. */
  finish(slab: number): void {
    const { outChannels, size, weights, out, models } = this.#work;
    const { place, count } = models ?? { place: 0, count: 1 };
    if (place + 1 < count) return;
    const slices = this.#slices(slab);
    const perSlice = size[0] * size[1];
    const voxels = { start: slices.start * perSlice, end: slices.end * perSlice };
    if (weights) {
      divideByWeights_(out, outChannels, this.#sumWeights(weights, slab, count), voxels.start);
      return;
    }
    if (count > 1) {
      for (let channel = 0; channel < outChannels; channel++) {
        const first = channel * perSlice * size[2];
        divideBy_(out.subarray(first + voxels.start, first + voxels.end), count);
      }
    }
    divideByCounts_(out, outChannels, size, this.#counts, slices);
  }

  /** The sums of the weights of all windows of all models in a slab. The next call reuses the memory. */
  #sumWeights(weights: Float32Array, slab: number, models: number): Float32Array {
    const { plan, size } = this.#work;
    const slices = this.#slices(slab);
    const layers = this.#layers(slab);
    const part: Vec3 = [size[0], size[1], slices.end - slices.start];
    const voxels = voxelCount(part);
    if (this.#weightSums.length < voxels) this.#weightSums = new Float32Array(voxels);
    const sums = this.#weightSums.subarray(0, voxels).fill(0);
    const [xs, ys, zs] = plan.starts;
    for (let model = 0; model < models; model++) {
      for (const x of xs) {
        for (const y of ys) {
          for (const z of zs.slice(layers.start, layers.end)) {
            // Weights are stored x fastest, as the windows of a `zyx` model are.
            addWindow(weights, 1, [x, y, z - slices.start], plan.roiSize, 'zyx', undefined, part, sums);
          }
        }
      }
    }
    return sums;
  }

  /**
   * Writes zeros to slices, which are zeros already, before they are read: a system maps a page that is read
   * first to a page of zeros for all, and has to tell the other processors when it is written then. That took
   * 12 µs per page.
   */
  #clear(slices: Range): void {
    const { size, out } = this.#work;
    const perSlice = size[0] * size[1];
    for (let first = 0; first < out.length; first += perSlice * size[2]) {
      out.fill(0, first + slices.start * perSlice, first + slices.end * perSlice);
    }
  }

  #slices(slab: number): Range {
    return { start: slab * slabSlices, end: Math.min((slab + 1) * slabSlices, this.#work.size[2]) };
  }

  /** Which of the windows along z are added to a slab. */
  #layers(slab: number): Range {
    const { plan } = this.#work;
    const slices = this.#slices(slab);
    const starts = plan.starts[2];
    const start = starts.findIndex((first) => first + plan.roiSize[2] > slices.start);
    const end = starts.findLastIndex((first) => first < slices.end) + 1;
    return { start, end };
  }

  /** The number of windows that are added to a slab. */
  #turns(slab: number): number {
    const { starts } = this.#work.plan;
    const layers = this.#layers(slab);
    return starts[0].length * starts[1].length * (layers.end - layers.start);
  }
}
