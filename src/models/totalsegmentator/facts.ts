import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { voxelLength } from '../../optionTypes.js';
import { readJsonFile } from '../readJsonFile.js';

/** The package's facts about TotalSegmentator's tasks. The file names its source. */
export const packageFacts = fileURLToPath(new URL('../../../models/totalsegmentator.json', import.meta.url));

const number = z.string().regex(/^\d+$/, 'a whole number');
const names = z.record(number, z.string().min(1));
const mm3 = z.union([voxelLength, z.tuple([voxelLength, voxelLength, voxelLength])]);
const dataset = z.int().min(0).max(9999);

/** How one mode of a task works. Fields that are not there have the defaults of TotalSegmentator. */
const settings = z.object({
  /** The numbers of its datasets; several are parts of one label map. */
  task_id: z.union([dataset, z.array(dataset).min(1)]),
  /** Voxel size in mm for the models along canonical x, y and z; null leaves resampling to nnU-Net. */
  resample: mm3.nullable().default(null),
  trainer: z.string().min(1),
  plans: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .transform((name) => name ?? 'nnUNetPlans'),
  /** The configuration. */
  model: z.string().min(1).default('3d_fullres'),
  /** null: all folds that are there. */
  folds: z.array(z.int().min(0)).min(1).nullable().default([0]),
  /** Structures of the rough segmentation to which the image is cropped. */
  crop: z.array(z.string()).nullable().default(null),
  /** The task that makes the rough segmentation. Default: total at 6 or 3 mm, or body. */
  crop_model: z.string().nullable().default(null),
  /** In mm; used with `crop_model` only. */
  crop_addon: z.tuple([z.number(), z.number(), z.number()]).default([3, 3, 3]),
  robust_crop: z.boolean().default(false),
  cascade: z.unknown().default(null),
  remove_outside: z.array(z.string()).nullable().default(null),
  remove_outside_dilation: z.number().nullable().default(null),
  disallow_fast: z.boolean().default(false),
  commercial: z.boolean().default(false),
});

/** See `settings`. */
export type TaskSettings = z.infer<typeof settings>;

const modes = z.object({
  sub_modes: z.object({ default: settings, fast: settings.optional(), fastest: settings.optional() }),
});

const task = z.union([modes, settings]);

const factsSchema = z.object({
  /** The names of the labels of a task. */
  classes: z.record(z.string(), names).default({}),
  /** The names of the labels of a model whose labels are a part of its task's, by dataset. */
  parts: z.record(number, names).default({}),
  tasks: z.record(z.string(), task).default({}),
});

const packageSchema = factsSchema.extend({
  source: z.string(),
  /** The license of weights with an address. */
  license: z.string(),
  /** The address of an archive, with VERSION and FILENAME to replace. */
  address: z.string(),
  /** Where a license for the other weights can be had. */
  licensePage: z.string(),
  /**
   * The folder of a dataset, and the version under which it is published. Without one, a license is needed.
   */
  weights: z.record(number, z.object({ folder: z.string(), version: z.string().optional() })),
});

/** The numbers of labels, and their names. */
export type LabelNames = Readonly<Record<string, string>>;

/** Facts about TotalSegmentator: its tasks, their labels and where their weights are. */
export interface TotalsegFacts extends z.infer<typeof packageSchema> {
  /** The tasks of the package, without those of a user's file, which the rough segmentations use. */
  readonly own: z.infer<typeof factsSchema>['tasks'];
}

/**
 * Reads the facts about TotalSegmentator that the package has.
 *
 * @param file A JSON file with `classes`, `parts` and `tasks` over those of the package.
 *
 * @throws ModelError naming every wrong field of the file; DataError if it cannot be read.
 */
export async function readFacts(file?: string): Promise<TotalsegFacts> {
  const own = await readJsonFile(packageFacts, packageSchema, 'the content');
  if (file === undefined) return { ...own, own: own.tasks };
  const more = await readJsonFile(file, factsSchema.strict(), 'the content');
  return {
    ...own,
    classes: { ...own.classes, ...more.classes },
    parts: { ...own.parts, ...more.parts },
    tasks: { ...own.tasks, ...more.tasks },
    own: own.tasks,
  };
}
