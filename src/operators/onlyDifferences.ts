import { onlyKey } from '../case.js';
import { activations } from './activations.js';
import { asDiscrete } from './asDiscrete.js';
import { optionsFor, type PlacedStep } from './fusion.js';
import { inference } from './inference.js';

/**
 * True if a step is an inference and the next one applies softmax or argmax to its result. Both depend only
 * on the differences between channels, so the model may compute only those; see `twoClassHead`.
 *
 * An `invert` in between ends this: what is saved is about a hundredth of the time of a small network, and
 * differences that are interpolated are rounded in another way than interpolated logits.
 */
export function onlyDifferences(step: PlacedStep, next: PlacedStep | undefined): boolean {
  const output = optionsFor(step, inference)?.output;
  const softmax = optionsFor(next, activations);
  const argmax = optionsFor(next, asDiscrete);
  const looks = softmax?.softmax ? softmax : argmax?.argmax ? argmax : undefined;
  return output !== undefined && looks !== undefined && onlyKey(looks.keys ?? 'pred') === output;
}
