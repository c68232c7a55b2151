import { show } from '../errors.js';
import { maskOf } from '../mask.js';
import { checkNeeds } from '../pipeline/checkNeeds.js';
import { describePipeline } from '../pipeline/describePipeline.js';
import { selectCases } from '../pipeline/select.js';
import type { Pipeline } from '../pipeline/types.js';
import { startModel } from './startModel.js';

/** The plan of the pipeline has the sources' warnings already. */
const ignore = () => {};

/**
 * Checks whether a training could start from its model, and validate its cases. Reads no voxels.
 *
 * @param modelFolders Folders to search for models before the package's own.
 * @returns The number of cases for validation.
 * @throws VoxError if it could not.
 */
export async function checkTraining(pipeline: Pipeline, modelFolders: readonly string[]): Promise<number> {
  const { train } = pipeline;
  if (train?.model !== undefined) await startModel(train, pipeline.runtime.seed, modelFolders);
  if (!train?.validation) return 0;
  const { source, steps } = train.validation;
  const cases = await selectCases(source.built.open({ onWarning: ignore }), {});
  checkNeeds({ ...pipeline, steps }, cases, ignore);
  return cases.length;
}

/**
 * The part of a plan about training, as text; it follows the text of `planText`. Opens the sources and reads
 * no voxels.
 *
 * @param modelFolders As in `checkTraining`, whose errors are thrown.
 */
export async function trainPlanText(pipeline: Pipeline, modelFolders: readonly string[]): Promise<string> {
  const { train, source } = pipeline;
  if (!train) return '';
  const found = await checkTraining(pipeline, modelFolders);
  const lines = ['Training'];
  const { validation, ...block } = describePipeline(pipeline)['train'] as Record<string, unknown>;
  for (const [key, value] of Object.entries(block)) {
    if (value !== undefined && show(value) !== show({})) lines.push(`  ${key}: ${show(value, 400)}`);
  }
  const cases = (await selectCases(source.built.open({ onWarning: ignore }), {})).length;
  lines.push(`  ${Math.floor(cases / train.batchSize)} step(s) per epoch, ${train.epochs} epoch(s)`);
  if (train.validation) {
    const { metric, every, goal } = train.validation;
    lines.push(
      `Validation: ${found} case(s), every ${every} epoch(s); the best model has the ` +
        `${goal === 'max' ? 'highest' : 'lowest'} ${metric}`,
    );
    const { steps } = validation as { steps: readonly unknown[] };
    steps.forEach((step, i) => {
      lines.push(`  ${i + 1}. ${show(step, 400)}`);
    });
  }
  return maskOf(pipeline)(`${lines.join('\n')}\n`);
}
