import { listNames, OptionError, unknownName } from '../../errors.js';
import type { Triple, Vec3 } from '../../volume/volume.js';
import type { LabelNames, TaskSettings, TotalsegFacts } from './facts.js';

/** What to segment, in TotalSegmentator's words. */
export interface TotalsegRequest {
  readonly task: string;
  readonly mode: 'default' | 'fast' | 'fastest';
  /** Only these structures, which also decide where the image is cropped. */
  readonly roiSubset?: readonly string[] | undefined;
  /** Use the finer of the rough models for cropping. */
  readonly robustCrop: boolean;
  readonly forceSplit: boolean;
  /** Crop to the body first. */
  readonly bodySeg: boolean;
  /** Remove components of up to this many mm³. */
  readonly removeSmallBlobs?: number | undefined;
}

/** A model of a task. */
export interface PlannedModel {
  readonly dataset: number;
  readonly trainer: string;
  readonly plans: string;
  readonly configuration: string;
  readonly folds: readonly number[] | null;
  /** The label of the whole for each label of the model, if it is a part. Others become 0. */
  readonly part?: Readonly<Record<number, number>>;
}

/** How the image is cropped before it is segmented. */
export interface PlannedCrop {
  /** The segmentation that says where. */
  readonly rough: TotalsegPlan;
  /** Its labels that count. Default: all. */
  readonly labels?: readonly number[];
  /** In mm. */
  readonly margin: Vec3;
  /** The labels outside of which nothing is kept, and how far outside, in mm. */
  readonly keepNear?: { readonly labels: readonly number[]; readonly dilation: number };
  /** Whether the cropped mask is the second channel of the model's input. */
  readonly cascade: boolean;
}

/** What a call of TotalSegmentator does, decided before any image is read. */
export interface TotalsegPlan {
  readonly task: string;
  readonly names: LabelNames;
  readonly models: readonly PlannedModel[];
  /** Voxel size in mm along canonical axes; null leaves resampling to nnU-Net. */
  readonly spacing: Vec3 | null;
  readonly stepSize: number;
  readonly crop?: PlannedCrop;
  readonly split: 'always' | 'large' | 'never';
  /** Labels that only help the training. They become 0. */
  readonly auxiliary: readonly number[];
  readonly removeSmallBlobs?: number;
  /** The labels that are kept. Default: all. */
  readonly kept?: readonly number[];
  /** Whether the models may be used with a license only. */
  readonly licensed: boolean;
}

/** Tasks whose windows overlap less than others'. */
const wideSteps = ['total', 'total_v3', 'total_mr'];

/** TotalSegmentator ignores the margin of most tasks and takes 20 mm. */
const usualMargin: Triple = [20, 20, 20];

const renumbered =
  'TotalSegmentator numbers its vertebrae again after the segmentation, which voxstream does not do. The task total ' +
  'has all vertebrae';

/** Tasks that cannot be run, and why. */
export const unsupportedTasks: Readonly<Record<string, string>> = {
  vertebrae_pp: renumbered,
  vertebrae_pp_refined: renumbered,
};

/** Structures that the task body has, and total has not. */
const bodyStructures = ['body_trunc', 'body_extremities'];

/**
 * Decides which models run on what, as TotalSegmentator 2.18 does.
 *
 * @throws OptionError for an unknown task or structure, or a mode that the task does not have.
 */
export function planTotalseg(request: TotalsegRequest, facts: TotalsegFacts): TotalsegPlan {
  const { task, mode, roiSubset, forceSplit, removeSmallBlobs } = request;
  const given = settingsOf(task, mode, facts);
  const names = classesOf(task, facts);
  const kept = roiSubset && labelsOf(roiSubset, task, names);
  const crop = cropOf(request, given, facts);
  const datasets = [given.task_id].flat();
  const isPart = datasets.length > 1;
  const models = datasets
    .map((dataset): PlannedModel => {
      const { trainer, plans, model, folds } = given;
      const common = { dataset, trainer, plans, configuration: model, folds };
      return isPart ? { ...common, part: partOf(dataset, task, names, facts) } : common;
    })
    .filter(({ part }) => !part || !kept || Object.values(part).some((label) => kept.includes(label)))
    .sort((a, b) => (isPart ? a.dataset - b.dataset : 0));
  if (models.length === 0) {
    throw new OptionError(`No model of the task ${task} has ${listNames(roiSubset ?? [], 'or')}.`);
  }
  const spacing = given.resample === null ? null : ([given.resample].flat() as number[]);
  return {
    task,
    names,
    models,
    spacing: spacing && ((spacing.length === 1 ? [0, 1, 2].map(() => spacing[0]) : spacing) as Triple),
    stepSize: wideSteps.includes(task) ? 0.8 : 0.5,
    ...(crop && { crop }),
    split: forceSplit ? 'always' : isPart && !crop?.cascade ? 'large' : 'never',
    auxiliary: Object.keys(facts.classes[`${task}_auxiliary`] ?? {}).map(Number),
    ...(removeSmallBlobs !== undefined && { removeSmallBlobs }),
    ...(kept && { kept }),
    licensed: given.commercial,
  };
}

/** The settings of a task in a mode. */
function settingsOf(task: string, mode: TotalsegRequest['mode'], facts: TotalsegFacts): TaskSettings {
  const found = facts.tasks[task];
  if (!found) {
    throw new OptionError(`TotalSegmentator: ${unknownName('task', task, Object.keys(facts.tasks))}`);
  }
  if (task in unsupportedTasks) {
    throw new OptionError(`The task ${task} is not supported: ${unsupportedTasks[task]}.`);
  }
  if (!('sub_modes' in found)) {
    if (mode === 'default' || facts.own[task] !== found) return found;
    throw new OptionError(`The task ${task} has no model for --${mode}. Leave --${mode} out.`);
  }
  const chosen = found.sub_modes[mode];
  if (chosen) return chosen;
  throw new OptionError(`The task ${task} has no model for --${mode}, but one for --fast.`);
}

function classesOf(task: string, facts: TotalsegFacts): LabelNames {
  const names = facts.classes[task];
  if (names) return names;
  throw new OptionError(
    `The task ${task} has no list of labels. Add it to "classes" of the file that --tasks names.`,
  );
}

/** The labels of structures. Throws OptionError with the nearest names if there are none of these names. */
function labelsOf(structures: readonly string[], task: string, names: LabelNames): number[] {
  const byName = new Map(Object.entries(names).map(([label, name]) => [name, Number(label)]));
  const unknown = structures.filter((name) => !byName.has(name));
  if (unknown.length > 0) {
    const faults = unknown.map((name) => unknownName('structure', name, [...byName.keys()]));
    throw new OptionError(`The task ${task}: ${faults.join('\n')}`);
  }
  return structures.map((name) => byName.get(name) as number).sort((a, b) => a - b);
}

/** The label of the whole for each label of a part. */
function partOf(
  dataset: number,
  task: string,
  names: LabelNames,
  facts: TotalsegFacts,
): Readonly<Record<number, number>> {
  const part = facts.parts[dataset];
  if (!part) {
    throw new OptionError(
      `Dataset ${dataset} is one of several of the task ${task}, but its labels are not known. Add them to "parts" of the ` +
        'file that --tasks names.',
    );
  }
  const byName = new Map(Object.entries(names).map(([label, name]) => [name, Number(label)]));
  const pairs = Object.entries(part).flatMap(([label, name]) => {
    const whole = byName.get(name);
    return whole === undefined ? [] : [[label, whole] as const];
  });
  return Object.fromEntries(pairs);
}

function cropOf(
  { task, roiSubset, robustCrop, bodySeg }: TotalsegRequest,
  given: TaskSettings,
  facts: TotalsegFacts,
): PlannedCrop | undefined {
  const isMr = task.endsWith('_mr');
  const structures = given.crop ?? roiSubset;
  const known = { cascade: Boolean(given.cascade) };
  if (!structures) {
    if (!bodySeg || isMr) return undefined;
    return { rough: roughPlan('body', 'fast', facts), margin: [3, 3, 3], ...known };
  }
  const isBody = structures.some((name) => bodyStructures.includes(name));
  const robust = robustCrop || given.robust_crop;
  const rough = given.crop_model
    ? planTotalseg({ ...plain, task: given.crop_model, mode: 'default' }, facts)
    : isBody
      ? roughPlan('body', 'fast', facts)
      : isMr
        ? roughPlan('total_mr', 'fast', facts)
        : roughPlan('total', robust ? 'fast' : 'fastest', facts);
  const byName = new Map(Object.entries(rough.names).map(([label, name]) => [name, Number(label)]));
  const labelsFor = (wanted: readonly string[]) => wanted.flatMap((name) => byName.get(name) ?? []);
  const labels = labelsFor(structures);
  if (labels.length === 0) {
    throw new OptionError(
      `The rough segmentation of the task ${rough.task} has none of ${listNames(structures)}, so the image cannot be ` +
        `cropped to them.`,
    );
  }
  return {
    rough,
    labels,
    margin: given.crop_model ? given.crop_addon : usualMargin,
    ...known,
    ...(given.remove_outside && {
      keepNear: {
        labels: labelsFor(given.remove_outside),
        dilation: given.remove_outside_dilation ?? 0,
      },
    }),
  };
}

const plain = { robustCrop: false, forceSplit: false, bodySeg: false };

/** A segmentation for cropping, by the package's own settings and the labels that are known now. */
function roughPlan(task: string, mode: 'fast' | 'fastest', facts: TotalsegFacts): TotalsegPlan {
  return planTotalseg({ ...plain, task, mode }, { ...facts, tasks: facts.own });
}
