import type { Summation } from './cellSums.js';
import { divideBy_ } from './ensemble.js';
import type { Range } from './labels.js';
import type { Vec3 } from './volume.js';
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
  readonly #work: Summation & { readonly out: Float32Array; readonly weightSums?: Float32Array };
  readonly #counts: readonly Float64Array[];

  /**
   * @param work `out` and `weightSums` begin as zeros and have the size of the volume. There are sums of
   * weights if there are weights.
   */
  constructor(work: Summation & { readonly out: Float32Array; readonly weightSums?: Float32Array }) {
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
   * sums of the slab into means. Each model adds its weights, too.
   */
  add(step: number, slab: number, values: Float32Array): void {
    const { plan, outChannels, size, axes, weights, out, models } = this.#work;
    const slices = this.#slices(slab);
    const turn = this.turn(step, slab);
    if (turn === 0 && !models?.place) this.#clear(slices);
    addWindow(values, outChannels, this.start(step), plan.roiSize, axes, weights, size, out, slices);
    this.addWeights(step, slab);
    if (turn + 1 === this.#turns(slab)) this.finish(slab);
  }

  /** Adds the part of a window's weights that is in a slab. Does nothing for equal weights. */
  addWeights(step: number, slab: number): void {
    const { plan, size, weights, weightSums } = this.#work;
    if (!weights || !weightSums) return;
    // Weights are stored x fastest, as the windows of a `zyx` model are.
    const slices = this.#slices(slab);
    addWindow(weights, 1, this.start(step), plan.roiSize, 'zyx', undefined, size, weightSums, slices);
  }

  /** Turns the sums of a slab into means after the last model. */
  finish(slab: number): void {
    const { outChannels, size, weightSums, out, models } = this.#work;
    const { place, count } = models ?? { place: 0, count: 1 };
    if (place + 1 < count) return;
    const slices = this.#slices(slab);
    const perSlice = size[0] * size[1];
    const voxels = { start: slices.start * perSlice, end: slices.end * perSlice };
    if (weightSums) {
      divideByWeights_(out, outChannels, weightSums, voxels);
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

  /**
   * Writes zeros to slices, which are zeros already, before they are read: a system maps a page that is read
   * first to a page of zeros for all, and has to tell the other processors when it is written then. That took
   * 12 µs per page.
   */
  #clear(slices: Range): void {
    const { size, out, weightSums } = this.#work;
    const perSlice = size[0] * size[1];
    for (const sums of weightSums ? [out, weightSums] : [out]) {
      for (let first = 0; first < sums.length; first += perSlice * size[2]) {
        sums.fill(0, first + slices.start * perSlice, first + slices.end * perSlice);
      }
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
