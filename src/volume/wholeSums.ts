import type { Summation } from './cellSums.js';
import { divideBy_ } from './ensemble.js';
import type { Vec3 } from './volume.js';
import { addWindow, divideByCounts_, divideByWeights_, windowStart } from './windows.js';

/**
 * Adds up windows to the logits of a whole volume. Steps are the windows in the order of their numbers, but
 * any thread may run each of them.
 */
export class WholeSums {
  readonly #work: Summation & { readonly out: Float32Array; readonly weightSums?: Float32Array };

  /**
   * @param work `out` and `weightSums` begin as zeros and have the size of the volume. There are sums of
   * weights if there are weights.
   */
  constructor(work: Summation & { readonly out: Float32Array; readonly weightSums?: Float32Array }) {
    this.#work = work;
  }

  /** The first voxel of the window that is added in a step. */
  start(step: number): Vec3 {
    return windowStart(this.#work.plan, step);
  }

  /** Adds the model's output for the window of a step. The last one turns the sums into means. Each model
   * adds its weights, too. */
  add(step: number, values: Float32Array): void {
    const { plan, outChannels, size, axes, weights, weightSums, out } = this.#work;
    const start = this.start(step);
    addWindow(values, outChannels, start, plan.roiSize, axes, weights, size, out);
    // Weights are stored x fastest, as the windows of a `zyx` model are.
    if (weights && weightSums) addWindow(weights, 1, start, plan.roiSize, 'zyx', undefined, size, weightSums);
    const { place, count } = this.#work.models ?? { place: 0, count: 1 };
    if (step + 1 < plan.count || place + 1 < count) return;
    if (count > 1 && !weightSums) divideBy_(out, count);
    if (weightSums) divideByWeights_(out, outChannels, weightSums);
    else divideByCounts_(out, outChannels, size, plan);
  }
}
