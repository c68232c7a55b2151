import { concatMap, defer } from 'rxjs';
import { z } from 'zod';
import { readFacts } from '../models/totalsegmentator/facts.js';
import { planTotalseg } from '../models/totalsegmentator/plan.js';
import { importPlan, weightFolders } from '../models/totalsegmentator/weights.js';
import type { OptionValues } from '../options.js';
import { type ExpandedStep, operator } from './define.js';
import { runExpanded } from './runExpanded.js';
import { totalsegSteps } from './totalsegSteps.js';

const options = {
  task: z.string().min(1).default('total').describe("TotalSegmentator's name of the task"),
  fast: z.boolean().default(false).describe('Use the model for 3 mm (body: 6 mm), with its own statistics'),
  fastest: z.boolean().default(false).describe('Use the model for 6 mm'),
  roiSubset: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Only these structures; the image is cropped to them first, by a rough segmentation'),
  robustCrop: z.boolean().default(false).describe('Crop by the model for 3 mm instead of that for 6 mm'),
  forceSplit: z.boolean().default(false).describe('Split the image into three parts along z'),
  bodySeg: z.boolean().default(false).describe('Crop the image to the body first'),
  removeSmallBlobs: z
    .union([z.boolean(), z.number().min(0).max(1e12)])
    .default(false)
    .describe('Remove components of up to 200 mm³, or of up to this volume'),
  statistics: z.boolean().default(false).describe('Measure volumes and intensities; see labelStatistics'),
  statisticsExtra: z.boolean().default(false).describe('Also measure spreads and positions'),
  statisticsAtBorder: z
    .boolean()
    .default(false)
    .describe('Also measure structures at the border of the image, which may be incomplete'),
  stored: z
    .string()
    .min(1)
    .optional()
    .describe('Key under which a copy of the stored image is kept. Default: no copy'),
  weights: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Folder with TotalSegmentator's dataset folders. Default: the cache, then where TotalSegmentator keeps them",
    ),
  tasks: z
    .string()
    .min(1)
    .optional()
    .describe(
      'JSON file with classes, parts and tasks that replace those of the package; see docs/totalsegmentator.md',
    ),
  key: z.string().min(1).default('image').describe('The volume to segment'),
  output: z.string().min(1).default('pred').describe('The key of the result'),
};

/** The options of `totalseg`, with defaults. */
export type TotalsegOptions = OptionValues<typeof options>;

/**
 * Segments an image as TotalSegmentator does, with its weights. It stands for a list of ordinary steps, which
 * `validate` and `--dry-run` show: a rough segmentation and `cropForeground` for tasks that need them,
 * `orient`, `zoomToSpacing`, `nnunet` for each model, `joinLabels`, `invert` and others.
 *
 * Afterwards, the image is the one that the models saw, and the result is on the grid of the image's file.
 *
 * @throws OptionError for an unknown task or structure; ModelError if weights are missing.
 */
export const totalseg = operator({
  name: 'totalseg',
  summary: 'Segments an image as TotalSegmentator does, with its weights.',
  options,
  check: ({ fast, fastest, statistics, statisticsExtra }) => [
    ...(fast && fastest ? ['only one of fast and fastest can be true'] : []),
    ...(statisticsExtra && !statistics ? ['statisticsExtra needs statistics'] : []),
  ],
  example: { task: 'total', fast: true },
  expand: (given) => expandTotalseg(given),
  create: (given, context) => (source) =>
    defer(() => expandTotalseg(given)).pipe(concatMap((steps) => source.pipe(runExpanded(steps, context)))),
});

/** The steps that `totalseg` stands for. Models are imported into the cache if they are not there. */
export async function expandTotalseg(
  given: TotalsegOptions,
  onBuild?: (name: string) => void,
): Promise<ExpandedStep[]> {
  const facts = await readFacts(given.tasks);
  const { task, fast, fastest, roiSubset, robustCrop, forceSplit, bodySeg, removeSmallBlobs } = given;
  const mode = fastest ? 'fastest' : fast ? 'fast' : 'default';
  const blobs = removeSmallBlobs === true ? 200 : removeSmallBlobs;
  const plan = planTotalseg(
    {
      ...{ task, mode, roiSubset, robustCrop, forceSplit, bodySeg },
      ...(blobs !== false && { removeSmallBlobs: blobs }),
    },
    facts,
  );
  const folders = await importPlan(plan, facts, weightFolders(given.weights), onBuild);
  const on = fast ? 'resampled' : 'stored';
  const { statistics, statisticsExtra: extra, statisticsAtBorder: atBorder } = given;
  const needsStored = statistics && on === 'stored';
  return totalsegSteps(plan, {
    folders,
    image: given.key,
    output: given.output,
    ...(statistics && { statistics: { on, extra, atBorder } }),
    stored: given.stored ?? (needsStored ? `${given.output}_stored` : undefined),
  });
}
