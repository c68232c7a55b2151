import type { Case } from '../case.js';
import { DataError, listNames, show } from '../errors.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { countOverlaps, type Overlap } from '../volume/overlap.js';
import { type MaskFacts, maskFacts } from '../volume/regionMasks.js';
import { type SurfaceDistances, surfaceDistances } from '../volume/surface.js';
import type { Volume } from '../volume/volume.js';
import type { EvaluatedLabel } from './evaluatedLabels.js';

const countOverlapsTask = task(new URL('../volume/overlap.js', import.meta.url), countOverlaps);
const maskFactsTask = task(new URL('../volume/regionMasks.js', import.meta.url), maskFacts);
const surfaceDistancesTask = task(new URL('../volume/surface.js', import.meta.url), surfaceDistances);

/** What a message says about a pair: the step, the case and the keys of the volumes. */
interface PairNames {
  readonly step: string;
  readonly id: string;
  readonly pred: string;
  readonly label: string;
}

/** Throws DataError unless both are label maps on the same grid, with the same number of channels. */
export function checkPair({ step, id, pred, label }: PairNames, prediction: Volume, reference: Volume): void {
  for (const [key, { kind }] of [
    [pred, prediction],
    [label, reference],
  ] as const) {
    if (kind === 'label') continue;
    throw new DataError(
      `${step} compares label maps, but ${key} of case ${id} holds ${kind === 'image' ? 'an image' : kind}. ` +
        (kind === 'image'
          ? `Have load read it as labels: { labelKeys: [${key}] }.`
          : `Put asDiscrete before ${step}.`),
    );
  }
  if (prediction.channels !== reference.channels) {
    throw new DataError(
      `${step}: in case ${id}, ${pred} has ${prediction.channels} channel(s), but ${label} has ` +
        `${reference.channels}. Compare label maps of one channel (asDiscrete: { argmax: true }), or as many masks.`,
    );
  }
  if (sameGrid(prediction, reference)) return;
  const sizesDiffer = prediction.size.some((n, axis) => n !== reference.size[axis]);
  const describe = ({ size, affine }: Volume) =>
    sizesDiffer
      ? `${size.join(' x ')} voxels`
      : `the affine ${show(
          affine.map((value) => Number(value.toPrecision(6))),
          300,
        )}`;
  throw new DataError(
    `${step}: ${pred} and ${label} of case ${id} lie on different grids: ${pred} has ${describe(prediction)}, ` +
      `${label} as stored has ${describe(reference)}. Put "invert" before ${step} to bring ${pred} back to the grid of the ` +
      'file, or for finished files use "voxstream evaluate --resample".',
  );
}

/** Throws DataError if one of the channels, which should be masks, has several values. */
export function checkMasks({ id }: Case, key: string, { mixed }: MaskFacts): void {
  if (!mixed) return;
  throw new DataError(
    `In case ${id}, ${key} has several channels, and channel ${mixed.channel} has the values ${listNames(mixed.values.map(String))}. ` +
      'In several channels, each must be a mask: 0, and one other value. Store label maps in separate files.',
  );
}

/** What metrics share about a prediction and its reference. It is computed once, when first asked for. */
interface Pair {
  overlaps(): Promise<ReadonlyMap<number, Overlap>>;
  /** What the channels of both are, which should be masks. */
  masks(): Promise<{ readonly prediction: MaskFacts; readonly reference: MaskFacts }>;
  distances(labels: readonly EvaluatedLabel[]): Promise<readonly SurfaceDistances[]>;
}

const pairs = new WeakMap<Volume, WeakMap<Volume, Pair>>();

/** The shared results of a prediction and its reference. They are kept as long as both volumes are. */
export function pairOf(prediction: Volume, reference: Volume, runtime: Runtime): Pair {
  const ofPrediction = pairs.get(prediction) ?? new WeakMap<Volume, Pair>();
  pairs.set(prediction, ofPrediction);
  const known = ofPrediction.get(reference);
  if (known) return known;
  let overlaps: Promise<ReadonlyMap<number, Overlap>> | undefined;
  let masks: ReturnType<Pair['masks']> | undefined;
  const distances = new Map<number, SurfaceDistances>();
  const factsOf = async () => ({
    prediction: await runtime.run(maskFactsTask, prediction),
    reference: await runtime.run(maskFactsTask, reference),
  });
  const pair: Pair = {
    overlaps: () => (overlaps ??= runtime.run(countOverlapsTask, prediction, reference)),
    masks: () => (masks ??= factsOf()),
    async distances(labels) {
      const wanted = labels.flatMap(({ number, overlap }) =>
        overlap && !distances.has(number) ? [{ label: number, box: overlap.box }] : [],
      );
      if (wanted.length > 0) {
        const found = await runtime.run(surfaceDistancesTask, prediction, reference, wanted);
        wanted.forEach(({ label }, i) => {
          distances.set(label, found[i]);
        });
      }
      return labels.map(({ number }) => distances.get(number) ?? nowhere);
    },
  };
  ofPrediction.set(reference, pair);
  return pair;
}

const nowhere: SurfaceDistances = { toReference: new Float64Array(0), toPrediction: new Float64Array(0) };
