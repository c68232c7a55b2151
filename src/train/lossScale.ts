/** The name of the loss scale in a training state: a tensor with the scale and the steps since it changed. */
export const lossScaleName = 'optimizer.lossScale';

/** Steps with finite gradients after which the scale is doubled. */
const growthInterval = 2000;

/** The factor of the loss in float16 training, found as PyTorch's `GradScaler` finds it with its defaults. */
export class LossScale {
  value = 65536;
  /** Steps with finite gradients since the scale changed. */
  good = 0;

  /** Adapts the scale after a step. `finite` says whether all gradients were. */
  learn(finite: boolean): void {
    this.good = finite ? this.good + 1 : 0;
    if (!finite) this.value /= 2;
    else if (this.good === growthInterval) this.restore(2 * this.value, 0);
  }

  restore(value: number, good: number): void {
    this.value = value;
    this.good = good;
  }
}
