import { show } from '../errors.js';
import { maskOf } from '../mask.js';
import { describePipeline } from '../pipeline/describePipeline.js';
import { selectCases } from '../pipeline/select.js';
import type { Pipeline } from '../pipeline/types.js';

/** The plan of the pipeline has the sources' warnings already. */
const ignore = () => {};

/**
 * The part of a plan about training, as text; it follows the text of `planText`. Opens the sources and reads
 * no voxels.
 */
export async function trainPlanText(pipeline: Pipeline): Promise<string> {
  const { train, source } = pipeline;
  if (!train) return '';
  const lines = ['Training'];
  const { validation, ...block } = describePipeline(pipeline)['train'] as Record<string, unknown>;
  for (const [key, value] of Object.entries(block)) {
    if (value !== undefined) lines.push(`  ${key}: ${show(value, 400)}`);
  }
  const cases = (await selectCases(source.built.open({ onWarning: ignore }), {})).length;
  lines.push(`  ${Math.floor(cases / train.batchSize)} step(s) per epoch, ${train.epochs} epoch(s)`);
  if (train.validation) {
    const found = (await selectCases(train.validation.source.built.open({ onWarning: ignore }), {})).length;
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
