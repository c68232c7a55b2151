import { sigmoid, softmax } from './classes.js';
import { invertHistory } from './invert.js';
import { type HistoryStep, type Volume, voxelCount } from './volume.js';

/**
 * Probabilities of a model's logits on an earlier grid, as nnU-Net saves them: logits are interpolated, then
 * comes softmax (or the logistic function, for regions). Voxels that were cropped away are background: the
 * first class has probability 1 there, or all regions 0.
 */
export function probabilitiesOf(logits: Volume, history: readonly HistoryStep[], regions: boolean): Volume {
  const crop = history.findLastIndex(({ step }) => step === 'cropOrPad');
  const inside = invertHistory(logits, history.slice(crop + 1), 'bilinear');
  const whole = invertHistory(
    regions ? sigmoid(inside) : softmax(inside),
    history.slice(0, crop + 1),
    'bilinear',
  );
  if (!regions) fillBackground_(whole);
  return whole;
}

/** Sets the first class to 1 where all classes are 0. */
function fillBackground_({ data, size, channels }: Volume): void {
  const count = voxelCount(size);
  for (let i = 0; i < count; i++) {
    let isOutside = true;
    for (let c = 0; c < channels && isOutside; c++) isOutside = data[c * count + i] === 0;
    if (isOutside) data[i] = 1;
  }
}
