import { DataError } from '../errors.js';
import type { ModelCard } from '../models/card.js';
import type { Volume } from '../volume/volume.js';

/** How far values may leave the range on a card, as a fraction of its width: interpolation overshoots. */
const tolerance = 0.1;

/** About as many voxels are looked at. Preprocessing that is missing shows in any part of a volume. */
const sampled = 100_000;

/**
 * Compares a volume's values with the range on the model's card.
 *
 * @returns A sentence if they lie outside of it; undefined if they do not, or if the card states none.
 */
export function rangeFault(volume: Volume, name: string, card: ModelCard): string | undefined {
  const [low, high] = card.input.valueRange ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const slack = (high - low) * tolerance;
  const [lowest, highest] = sampledRange(volume.data);
  if (lowest >= low - slack && highest <= high + slack) return undefined;
  return (
    `The model ${card.name} expects values from ${low} to ${high}, but ${name} has values from ` +
    `${Number(lowest.toPrecision(4))} to ${Number(highest.toPrecision(4))}. The results may be wrong. Change ` +
    'the steps before it, or correct input.valueRange on its card.'
  );
}

/** Returns a function that throws DataError in a strict run, and else calls `onWarning` once. */
export function rangeCheck(
  strict: boolean,
  onWarning: (text: string) => void,
): (volume: Volume, name: string, card: ModelCard) => void {
  let warned = false;
  return (volume, name, card) => {
    const fault = rangeFault(volume, name, card);
    if (fault && strict) throw new DataError(fault);
    if (fault && !warned) onWarning(fault);
    warned ||= fault !== undefined;
  };
}

function sampledRange(data: Volume['data']): [number, number] {
  const step = Math.max(1, Math.floor(data.length / sampled));
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < data.length; i += step) {
    low = Math.min(low, data[i]);
    high = Math.max(high, data[i]);
  }
  return [low, high];
}
