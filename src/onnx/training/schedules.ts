/**
 * A learning rate as a function of the epoch or step, from 0 on. It has no state: the same place gives the
 * same rate.
 */
export type Schedule = (at: number) => number;

/** `rate` times `gamma` for every `size` epochs that are past; PyTorch's `StepLR`. */
export function stepSchedule(
  rate: number,
  options: { readonly size: number; readonly gamma?: number },
): Schedule {
  const { size, gamma = 0.1 } = options;
  return (at) => rate * gamma ** Math.floor(at / size);
}

/** From `rate` down to 0 at `total` as a power (0.9 is nnU-Net's); PyTorch's `PolynomialLR`. */
export function polySchedule(
  rate: number,
  options: { readonly total: number; readonly power?: number },
): Schedule {
  const { total, power = 0.9 } = options;
  return (at) => rate * (1 - Math.min(at, total) / total) ** power;
}

/**
 * From `rate` down to `low` (default 0) at `total` as half a cosine, and `low` from there on; PyTorch's
 * `CosineAnnealingLR`.
 */
export function cosineSchedule(
  rate: number,
  options: { readonly total: number; readonly low?: number },
): Schedule {
  const { total, low = 0 } = options;
  return (at) => low + ((rate - low) * (1 + Math.cos((Math.PI * Math.min(at, total)) / total))) / 2;
}

/**
 * A schedule after a warm-up: for the first `length` epochs the rate grows linearly from `from` (default 0)
 * times the schedule's start to all of it; then the schedule begins. With a cosine it is MONAI's
 * `WarmupCosineSchedule`.
 */
export function warmUp(
  schedule: Schedule,
  options: { readonly length: number; readonly from?: number },
): Schedule {
  const { length, from = 0 } = options;
  return (at) => (at < length ? schedule(0) * (from + (1 - from) * (at / length)) : schedule(at - length));
}
