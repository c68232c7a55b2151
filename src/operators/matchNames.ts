import { listNames, show } from '../errors.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { mapLabels } from '../volume/mapLabels.js';
import { labelMasks } from '../volume/regionMasks.js';
import type { Volume } from '../volume/volume.js';

const mapLabelsTask = task(new URL('../volume/mapLabels.js', import.meta.url), mapLabels);
const labelMasksTask = task(new URL('../volume/regionMasks.js', import.meta.url), labelMasks);

/** A prediction and a reference whose labels have the same numbers, and what was done for that. */
export interface MatchedPair {
  readonly prediction: Volume;
  readonly reference: Volume;
  readonly notes: readonly string[];
}

const matched = new WeakMap<Volume, WeakMap<Volume, Promise<MatchedPair>>>();

/**
 * Numbers the labels of a prediction as the reference does, by their names, if the two number a name
 * differently: 3D Slicer numbers the segments of each file on its own, and a model need not use the numbers
 * of a dataset. If only one of them is masks in channels, because its segments overlap, both become masks.
 * Without names on both sides, nothing changes. The same pair is returned to all metrics.
 *
 * @param names The names of the reference's labels.
 */
export function matchNames(
  prediction: Volume,
  reference: Volume,
  names: Volume['labelNames'],
  runtime: Runtime,
): Promise<MatchedPair> {
  const ofPrediction = matched.get(prediction) ?? new WeakMap<Volume, Promise<MatchedPair>>();
  matched.set(prediction, ofPrediction);
  const made = ofPrediction.get(reference) ?? match(prediction, reference, names, runtime);
  ofPrediction.set(reference, made);
  return made;
}

async function match(
  prediction: Volume,
  reference: Volume,
  names: Volume['labelNames'],
  runtime: Runtime,
): Promise<MatchedPair> {
  const unchanged = { prediction, reference, notes: [] };
  const predicted = numbersByName(prediction, prediction.labelNames);
  const wanted = numbersByName(reference, names);
  if (prediction === reference || !predicted || !wanted) return unchanged;
  const moved = [...predicted].filter(([name, number]) => (wanted.get(name) ?? number) !== number);
  const alike = prediction.channels === reference.channels;
  if (alike && moved.length === 0) return { ...unchanged, notes: differingNames(predicted, wanted) };
  const order = moved.map(([name, number]) => `${show(name)} is ${number}, not ${wanted.get(name)}`);
  const notes =
    moved.length > 0
      ? [
          `The prediction numbers its labels differently than the reference: ${listNames(order)}. Labels were compared by ` +
            'name.',
        ]
      : [];
  if (alike && reference.channels === 1) {
    const taken = new Set(wanted.values());
    const map = [...predicted].map(([name, number]) => {
      // A label that the reference does not know must not pass for one of its labels.
      return [number, wanted.get(name) ?? (taken.has(number) ? 0 : number)];
    });
    const renumbered = await runtime.run(mapLabelsTask, prediction, Object.fromEntries(map));
    return { prediction: renumbered, reference, notes };
  }
  const labels = [...wanted];
  const labelNames = Object.fromEntries(labels.map(([name], i) => [i + 1, name]));
  const masksOf = async (volume: Volume, numbers: readonly (number | undefined)[]) => ({
    ...(await runtime.run(labelMasksTask, volume, numbers)),
    labelNames,
  });
  return {
    prediction: await masksOf(
      prediction,
      labels.map(([name]) => predicted.get(name)),
    ),
    reference: await masksOf(
      reference,
      labels.map(([, number]) => number),
    ),
    notes,
  };
}

/** Notes on labels of one number and two names, which are compared by number. */
function differingNames(
  predicted: ReadonlyMap<string, number>,
  wanted: ReadonlyMap<string, number>,
): string[] {
  const nameOf = new Map([...wanted].map(([name, number]) => [number, name]));
  return [...predicted].flatMap(([name, number]) => {
    const other = nameOf.get(number);
    if (other === undefined || other.toLowerCase() === name.toLowerCase()) return [];
    return [
      `Label ${number} is named ${show(name)} in the prediction and ${show(other)} in the reference; labels were compared ` +
        'by number.',
    ];
  });
}

/**
 * The number of each label but the background by its name: its value or, in masks, its channel. Undefined if
 * there are no names, or not one for each mask.
 */
function numbersByName({ channels }: Volume, names: Volume['labelNames']): Map<string, number> | undefined {
  const named = Object.entries(names ?? {}).filter(([number]) => Number(number) !== 0);
  if (named.length === 0) return undefined;
  if (channels === 1) return new Map(named.map(([number, name]) => [name, Number(number)]));
  const first = channels - named.length;
  if (first !== 0 && first !== 1) return undefined;
  return new Map(named.map(([, name], i) => [name, first + i]));
}
