import type { Case } from '../case.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { type Judging, judgedLabels, type LabelRegion } from '../volume/regionMasks.js';
import type { Volume } from '../volume/volume.js';
import { type LabelChoice, labelNumber } from './evaluatedLabels.js';

const judgedLabelsTask = task(new URL('../volume/regionMasks.js', import.meta.url), judgedLabels);

/** A prediction and its reference as they are compared. */
interface JudgedPair {
  readonly prediction: Volume;
  readonly reference: Volume;
}

const judged = new WeakMap<Volume, WeakMap<Volume, Map<string, Promise<JudgedPair>>>>();

/**
 * A pair as nnU-Net evaluates it: masks of the dataset's regions, without the voxels that the reference
 * ignores. The same pair is returned to all metrics, so that they share what is computed about it.
 */
export async function judgedPair(pair: JudgedPair, judging: Judging, runtime: Runtime): Promise<JudgedPair> {
  if (!judging.regions && judging.ignoreLabel === undefined) return pair;
  const { prediction, reference } = pair;
  const ofPrediction = judged.get(prediction) ?? new WeakMap<Volume, Map<string, Promise<JudgedPair>>>();
  judged.set(prediction, ofPrediction);
  const known = ofPrediction.get(reference) ?? new Map<string, Promise<JudgedPair>>();
  ofPrediction.set(reference, known);
  const key = JSON.stringify(judging);
  const made = known.get(key) ?? judge(pair, judging, runtime);
  known.set(key, made);
  return made;
}

async function judge({ prediction, reference }: JudgedPair, judging: Judging, runtime: Runtime) {
  const judge = (volume: Volume) => runtime.run(judgedLabelsTask, volume, reference, judging);
  const first = await judge(prediction);
  return { prediction: first, reference: reference === prediction ? first : await judge(reference) };
}

/**
 * The regions to measure if the dataset defines regions: all of them, or those that were asked for. A number
 * asks for a label by itself. Undefined if there are no regions, or if the volumes hold masks already.
 *
 * @throws DataError if a name is unknown.
 */
export function chooseRegions(
  { regions, labelNames = {} }: Pick<Case, 'regions' | 'labelNames'>,
  { labels, includeBackground }: LabelChoice,
  { channels }: Volume,
): readonly LabelRegion[] | undefined {
  if (!regions || channels > 1) return undefined;
  const single = (number: number) => ({ name: labelNames[number] ?? String(number), labels: [number] });
  const background = includeBackground ? [single(0)] : [];
  if (!labels) return [...background, ...regions];
  const names = Object.fromEntries(regions.map(({ name }, i) => [i, name]));
  const chosen = labels.map((label) =>
    typeof label === 'number' ? single(label) : regions[labelNumber(label, names)],
  );
  return [...background, ...chosen];
}
