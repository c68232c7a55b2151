import { concatMap, defer } from 'rxjs';
import { z } from 'zod';
import { listNames, ModelError } from '../errors.js';
import { findModel } from '../models/findModel.js';
import type { NnunetCard } from '../models/nnunet/card.js';
import { preprocessingSteps } from '../models/nnunet/preprocessing.js';
import type { OptionValues } from '../options.js';
import { asDiscrete } from './asDiscrete.js';
import { cropNonzero } from './cropNonzero.js';
import { type ExpandedStep, operator } from './define.js';
import { inference } from './inference.js';
import { invert } from './invert.js';
import { normalizeByPlans } from './normalizeByPlans.js';
import { orient } from './orient.js';
import { permuteAxes } from './permuteAxes.js';
import { probabilities } from './probabilities.js';
import { regionLabels } from './regionLabels.js';
import { resampleByPlans } from './resampleByPlans.js';
import { runExpanded } from './runExpanded.js';
import { uncertainty } from './uncertainty.js';

const options = {
  model: z
    .string()
    .min(1)
    .describe('A model that "voxstream models import" made of a trained nnU-Net: its folder or name'),
  folds: z
    .array(z.union([z.int().min(0).max(1000), z.literal('all')]))
    .min(1)
    .optional()
    .describe('Folds whose logits are averaged. Default: all that the model has'),
  mirroring: z
    .boolean()
    .default(true)
    .describe('Average over mirrored windows, along the axes that the training mirrored'),
  stepSize: z
    .number()
    .min(0.01)
    .max(1)
    .default(0.5)
    .describe('Largest distance of neighbouring windows, as a fraction of the window'),
  gaussian: z.boolean().default(true).describe('Weight the middle of windows more than their edges'),
  labels: z
    .boolean()
    .default(true)
    .describe(
      'End with a label map on the grid of the file; false ends with logits on the grid of the network',
    ),
  uncertainty: z
    .boolean()
    .default(false)
    .describe('Also compute the volume and the column "uncertainty"; see the step of that name'),
  probabilities: z
    .boolean()
    .default(false)
    .describe('Also add the volume "probabilities" on the grid of the file; see the step of that name'),
  keepLoaded: z
    .boolean()
    .default(true)
    .describe('Keep the model in memory for the whole run; see the step inference'),
  key: z.string().min(1).default('image').describe('The volume to segment'),
  output: z.string().min(1).default('pred').describe('The key of the result'),
};

type Options = OptionValues<typeof options>;

/**
 * Segments an image with a model of nnU-Net v2, with nnU-Net's own preprocessing, windows and labels. It
 * stands for a list of ordinary steps, which `validate` and `--dry-run` show: `orient` (for models that were
 * trained with `NibabelIOWithReorient`), `permuteAxes`, `cropNonzero`, `normalizeByPlans`, `resampleByPlans`,
 * `inference`, `invert`, and `asDiscrete` or `regionLabels`.
 *
 * Afterwards, the image is the preprocessed one, and the result is on the grid of the image's file.
 *
 * @throws ModelError if the model cannot be found, is not one of nnU-Net, or lacks a fold.
 */
export const nnunet = operator({
  name: 'nnunet',
  summary: 'Segments an image with a model of nnU-Net v2, with its preprocessing and postprocessing.',
  options,
  example: { model: 'Dataset009_Spleen_3d_fullres', folds: [0], mirroring: false },
  expand: nnunetSteps,
  create: (options, context) => (source) =>
    defer(() => nnunetSteps(options, context.runtime.settings.modelFolders ?? [])).pipe(
      concatMap((steps) => source.pipe(runExpanded(steps, context))),
    ),
});

/** The operators of `preprocessingSteps`, and their options that take the key of the image. */
const prepared: Readonly<
  Record<string, { readonly definition: ExpandedStep['definition']; readonly where: readonly string[] }>
> = {
  orient: { definition: orient, where: ['keys'] },
  permuteAxes: { definition: permuteAxes, where: ['keys'] },
  cropNonzero: { definition: cropNonzero, where: ['sourceKey', 'keys'] },
  normalizeByPlans: { definition: normalizeByPlans, where: ['key'] },
  resampleByPlans: { definition: resampleByPlans, where: ['key'] },
};

/** The steps that `nnunet` stands for. */
async function nnunetSteps(options: Options, modelFolders: readonly string[]): Promise<ExpandedStep[]> {
  const { card } = await findModel(options.model, modelFolders);
  if (!card.nnunet) {
    throw new ModelError(
      `nnunet: ${options.model} is not a model of nnU-Net. Import the trained folder of nnU-Net with "voxstream ` +
        'models import".',
    );
  }
  const { model, mirroring, stepSize, gaussian, labels, uncertainty: measured, key, output } = options;
  const { mirror, regions } = card.nnunet;
  const step = (definition: ExpandedStep['definition'], given: ExpandedStep['options']) => ({
    definition,
    options: given,
  });
  return [
    ...preprocessingSteps(card.nnunet).flatMap((named) =>
      Object.entries(named).map(([name, given]) => {
        const { definition, where } = prepared[name];
        return step(definition, { ...given, ...Object.fromEntries(where.map((option) => [option, key])) });
      }),
    ),
    step(inference, {
      models: foldsOf(card.nnunet, options).map((folder) => `${model}/${folder}`),
      stepSize,
      mode: gaussian ? 'gaussian' : 'constant',
      mirror: mirroring ? mirror : [],
      keepLoaded: options.keepLoaded,
      key,
      output,
    }),
    ...(measured ? [step(uncertainty, { key: output, regions: regions !== undefined })] : []),
    ...(measured && labels ? [step(invert, { keys: 'uncertainty', like: key })] : []),
    ...(options.probabilities
      ? [step(probabilities, { key: output, like: key, regions: regions !== undefined })]
      : []),
    ...(labels ? [step(invert, { keys: output, like: key })] : []),
    ...(labels && regions ? [step(regionLabels, { labels: regions, keys: output })] : []),
    ...(labels && !regions ? [step(asDiscrete, { argmax: true, keys: output })] : []),
  ];
}

/** The folders of the folds that are used. */
function foldsOf({ folds }: NnunetCard, { folds: wanted, model }: Options): string[] {
  if (!wanted) return folds.map(({ folder }) => folder);
  return wanted.map((name) => {
    const found = folds.find((fold) => fold.name === String(name));
    if (found) return found.folder;
    throw new ModelError(
      `nnunet: ${model} has no fold ${name}; it has ${listNames(folds.map((fold) => fold.name))}. Import the fold ` +
        'with "voxstream models import --folds".',
    );
  });
}
