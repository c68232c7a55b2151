import { allocate, type Volume, voxelCount } from './volume.js';

/** How uncertain a prediction is. */
export interface Uncertainty {
  /** Per voxel, from 0 (certain) to 1 (all classes are equally likely); float32. */
  readonly entropy: Volume;
  /** The mean in voxels that are not background; NaN if there are none. */
  readonly mean: number;
}

/**
 * The entropy of a prediction's probabilities, as a share of the largest possible one.
 *
 * Without `regions`, the channels are classes: softmax, and foreground is where the first is not the largest.
 * With `regions`, each channel is a separate question: the mean of their entropies, and foreground is where
 * any logit is above 0.
 */
export function entropyOf(logits: Volume, regions: boolean): Uncertainty {
  const count = voxelCount(logits.size);
  const data = allocate('float32', count);
  const { channels, data: values } = logits;
  const probabilities = new Float64Array(channels);
  let sum = 0;
  let voxels = 0;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < channels; c++) probabilities[c] = values[c * count + i];
    const foreground = probabilities.some(
      (logit, c) => logit > (regions ? 0 : c === 0 ? logit : probabilities[0]),
    );
    data[i] = regions ? binaryEntropy(probabilities) : classEntropy(probabilities);
    if (!foreground) continue;
    voxels++;
    sum += data[i];
  }
  return { entropy: { ...logits, data, channels: 1, kind: 'probability' }, mean: sum / voxels };
}

/** The entropy of softmax, divided by that of equal probabilities. The logits are overwritten. */
function classEntropy(logits: Float64Array): number {
  let largest = logits[0];
  for (const logit of logits) if (logit > largest) largest = logit;
  let total = 0;
  let weighted = 0;
  for (const logit of logits) {
    const weight = Math.exp(logit - largest);
    total += weight;
    weighted += weight * (logit - largest);
  }
  return (Math.log(total) - weighted / total) / Math.log(logits.length);
}

/** The mean entropy of the logistic functions, in bits. */
function binaryEntropy(logits: Float64Array): number {
  let sum = 0;
  for (const logit of logits) {
    const size = Math.abs(logit);
    const small = Math.exp(-size) / (1 + Math.exp(-size));
    sum += Math.log1p(Math.exp(-size)) + size * small;
  }
  return sum / (logits.length * Math.LN2);
}
