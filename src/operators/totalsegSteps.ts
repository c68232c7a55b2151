import type { LabelNames } from '../models/totalsegmentator/facts.js';
import type { PlannedCrop, PlannedModel, TotalsegPlan } from '../models/totalsegmentator/plan.js';
import { clearIfEmpty } from './clearIfEmpty.js';
import { clearOutside } from './clearOutside.js';
import { concatItems } from './concatItems.js';
import { copyItems } from './copyItems.js';
import { cropForeground } from './cropForeground.js';
import type { AnyOperator, ExpandedStep } from './define.js';
import { deleteItems } from './deleteItems.js';
import { invert } from './invert.js';
import { joinLabels } from './joinLabels.js';
import { joinSlabs } from './joinSlabs.js';
import { keepLabels } from './keepLabels.js';
import { keepLargestComponent } from './keepLargestComponent.js';
import { labelStatistics } from './labelStatistics.js';
import { mapLabels } from './mapLabels.js';
import { nameLabels } from './nameLabels.js';
import { nnunet } from './nnunet.js';
import { orient } from './orient.js';
import { removeSmallComponents } from './removeSmallComponents.js';
import { splitSlabs } from './splitSlabs.js';
import { truncate } from './truncate.js';
import { zoomToSpacing } from './zoomToSpacing.js';

/** From this many voxels and slices, TotalSegmentator splits images for tasks of several models. */
const large = { minVoxels: 512 * 512 * 900, minSlices: 200 };

/** Up to so many models stay in memory for the whole run. */
const mostLoaded = 2;

/** The largest component of the task `body` that is removed from the extremities, in mm³. */
const smallExtremity = 50_000;

/** What to measure of the segmentation; see `labelStatistics`. */
export interface StatisticsRequest {
  /** On the resampled image, as with `--fast`, or on the image as it is stored. */
  readonly on: 'resampled' | 'stored';
  readonly extra: boolean;
  /** Count labels at the border of the image, too. */
  readonly atBorder: boolean;
}

/** What surrounds a plan in a pipeline. */
interface StepsRequest {
  /** The model folders, by dataset. */
  readonly folders: ReadonlyMap<number, string>;
  /** The key of the image, which becomes what the models see. */
  readonly image: string;
  /** The key of the label map, which comes back to the grid of the image's file. */
  readonly output: string;
  readonly statistics?: StatisticsRequest | undefined;
  /** The key under which the image as it is stored is kept. Default: it is not kept. */
  readonly stored?: string | undefined;
}

const step = (definition: AnyOperator, options: ExpandedStep['options']): ExpandedStep => ({
  definition,
  options,
});

/** The steps from the image of a file to a label map on its grid, as TotalSegmentator takes them. */
export function totalsegSteps(plan: TotalsegPlan, request: StepsRequest): ExpandedStep[] {
  const { image, output, statistics, stored } = request;
  const { crop, kept, spacing } = plan;
  const keys = keysFor(output);
  const seen = crop?.cascade ? [image, keys.mask] : [image];
  return [
    ...(crop ? roughSteps(crop, request) : []),
    ...(stored === undefined ? [] : [step(copyItems, { keys: image, names: stored })]),
    ...(crop ? cropSteps(crop, seen, image, keys.mask) : []),
    step(orient, { axcodes: 'RAS', keys: seen }),
    ...(spacing ? [step(zoomToSpacing, { pixdim: spacing, dtype: 'int32', keys: seen })] : []),
    ...(crop?.cascade ? [step(concatItems, { keys: seen, name: image })] : []),
    step(copyItems, { keys: image, names: keys.input, startHere: true }),
    ...inSlabs(plan, keys.input, output, modelSteps(plan, request)),
    step(deleteItems, { keys: [keys.input, keys.partInput, keys.part, 'nonzero'] }),
    ...postprocessing(plan, output),
    ...(statistics?.on === 'resampled' ? [statisticsStep(statistics, plan, output, image)] : []),
    step(invert, { keys: output, like: image }),
    ...(crop ? [step(clearIfEmpty, { mask: keys.mask, keys: output })] : []),
    ...(kept ? [step(keepLabels, { labels: kept, keys: output })] : []),
    ...(crop?.keepNear
      ? [step(clearOutside, { mask: keys.near, dilation: crop.keepNear.dilation, keys: output })]
      : []),
    ...(statistics?.on === 'stored' && stored !== undefined
      ? [statisticsStep(statistics, plan, output, stored)]
      : []),
  ];
}

/** The keys of volumes that exist only for a while. */
function keysFor(output: string) {
  const named = (name: string) => `${output}_${name}`;
  return {
    rough: named('rough'),
    roughImage: named('rough_image'),
    mask: named('mask'),
    near: named('near'),
    input: named('input'),
    partInput: named('part_input'),
    part: named('part'),
  };
}

/** Segments the image roughly, and makes masks of that. */
function roughSteps({ rough, labels, keepNear }: PlannedCrop, request: StepsRequest): ExpandedStep[] {
  const { folders, image, output } = request;
  const keys = keysFor(output);
  const mask = (wanted: readonly number[], key: string) =>
    step(joinLabels, {
      key: keys.rough,
      map: Object.fromEntries(wanted.map((one) => [one, 1])),
      output: key,
    });
  return [
    step(copyItems, { keys: image, names: keys.roughImage }),
    ...totalsegSteps(rough, { folders, image: keys.roughImage, output: keys.rough }),
    mask(labels ?? numbersOf(rough.names), keys.mask),
    ...(keepNear ? [mask(keepNear.labels, keys.near)] : []),
    step(deleteItems, { keys: [keys.rough, keys.roughImage] }),
  ];
}

function cropSteps(
  { margin }: PlannedCrop,
  keys: readonly string[],
  image: string,
  mask: string,
): ExpandedStep[] {
  return [
    step(cropForeground, { sourceKey: mask, marginMm: margin, ifEmpty: 'voxel', keys }),
    step(truncate, { keys: image }),
  ];
}

/** The models, one after the other. */
function modelSteps(plan: TotalsegPlan, { folders, output }: StepsRequest): ExpandedStep[] {
  const { models, names, stepSize, auxiliary } = plan;
  const { input, partInput, part: partKey } = keysFor(output);
  // All models of the task total in memory at a time would take many gigabytes.
  const keepLoaded = folders.size <= mostLoaded;
  const infer = ({ dataset }: PlannedModel, key: string, to: string): ExpandedStep => ({
    id: `model${dataset}`,
    ...step(nnunet, {
      ...{ model: folders.get(dataset), mirroring: false, stepSize, keepLoaded, key, output: to },
    }),
  });
  const steps = models.flatMap((model) =>
    model.part
      ? [
          step(copyItems, { keys: input, names: partInput }),
          infer(model, partInput, partKey),
          step(joinLabels, { key: partKey, map: model.part, names, output }),
        ]
      : [infer(model, input, output), step(nameLabels, { names, keys: output })],
  );
  const cleared = Object.fromEntries(auxiliary.map((label) => [label, 0]));
  return auxiliary.length > 0 ? [...steps, step(mapLabels, { map: cleared, keys: output })] : steps;
}

/** Splits large images along z for the models. */
function inSlabs(
  { split }: TotalsegPlan,
  key: string,
  output: string,
  steps: readonly ExpandedStep[],
): readonly ExpandedStep[] {
  if (split === 'never') return steps;
  return [
    step(splitSlabs, { key, slabs: 3, overlap: 20, ...(split === 'large' && large) }),
    ...steps,
    step(joinSlabs, { keys: output }),
  ];
}

/** What is done with the labels on the grid of the models. */
function postprocessing({ task, names, removeSmallBlobs }: TotalsegPlan, output: string): ExpandedStep[] {
  const labelsNamed = (wanted: string) => numbersOf(names).filter((label) => names[label] === wanted);
  const connectivity = 1;
  const body =
    task === 'body'
      ? [
          step(keepLargestComponent, {
            appliedLabels: labelsNamed('body_trunc'),
            connectivity,
            keepFirst: true,
            keys: output,
          }),
          step(removeSmallComponents, {
            appliedLabels: labelsNamed('body_extremities'),
            maxVolume: smallExtremity,
            keys: output,
          }),
        ]
      : [];
  const blobs =
    removeSmallBlobs === undefined
      ? []
      : [step(removeSmallComponents, { maxVolume: removeSmallBlobs, keys: output })];
  return [...body, ...blobs];
}

function statisticsStep(
  { extra, atBorder }: StatisticsRequest,
  { kept, names }: TotalsegPlan,
  key: string,
  image: string,
): ExpandedStep {
  const labels = kept ?? numbersOf(names);
  return step(labelStatistics, { key, image, labels, border: atBorder ? 0 : 3, extra });
}

function numbersOf(names: LabelNames): number[] {
  return Object.keys(names).map(Number);
}
