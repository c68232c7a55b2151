import { DataError, show } from '../errors.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { countOverlaps, type Overlap } from '../volume/overlap.js';
import { hasBackgroundChannel } from '../volume/regionMasks.js';
import { type SurfaceDistances, surfaceDistances } from '../volume/surface.js';
import type { Volume } from '../volume/volume.js';
import type { EvaluatedLabel } from './evaluatedLabels.js';

const countOverlapsTask = task(new URL('../volume/overlap.js', import.meta.url), countOverlaps);
const hasBackgroundChannelTask = task(
  new URL('../volume/regionMasks.js', import.meta.url),
  hasBackgroundChannel,
);
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

/** What metrics share about a prediction and its reference. It is computed once, when first asked for. */
interface Pair {
  overlaps(): Promise<ReadonlyMap<number, Overlap>>;
  /** Whether channel 0 of the reference is the background. */
  hasBackground(): Promise<boolean>;
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
  let background: Promise<boolean> | undefined;
  const distances = new Map<number, SurfaceDistances>();
  const pair: Pair = {
    overlaps: () => (overlaps ??= runtime.run(countOverlapsTask, prediction, reference)),
    hasBackground: () => (background ??= runtime.run(hasBackgroundChannelTask, reference)),
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
