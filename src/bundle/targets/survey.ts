import { VoxError } from '../../errors.js';
import type { BundleConfig } from '../config/load.js';
import { placeSteps } from '../run/stages.js';
import { placeTraining } from '../run/trainingPipeline.js';
import { Problems } from './problems.js';
import { workflowOf } from './workflow.js';

/** What a configuration of a bundle would do here. */
export interface Survey {
  /** What it runs: `inference`, `evaluation` (with metrics), or `training`. */
  readonly what: 'inference' | 'evaluation' | 'training' | undefined;
  /** The network's class. */
  readonly network: string | undefined;
  /** What stands in the way: one line each. */
  readonly problems: readonly string[];
}

/** Translates a configuration without running it. */
export function surveyOf(config: BundleConfig): Survey {
  try {
    const { evaluations, trainings } = workflowOf(config);
    const problems = new Problems();
    const validations = trainings.flatMap(({ validation }) => (validation ? [validation.evaluation] : []));
    for (const { before, after } of [...evaluations, ...validations]) {
      placeSteps([...before, ...after], problems);
    }
    for (const plan of trainings) placeTraining(plan, problems);
    const training = trainings.length > 0;
    const measured = evaluations.some(({ metrics }) => metrics.length > 0);
    return {
      what: training
        ? 'training'
        : evaluations.length === 0
          ? undefined
          : measured
            ? 'evaluation'
            : 'inference',
      network: (trainings[0] ?? evaluations[0])?.network.type,
      problems: problems.lines,
    };
  } catch (error) {
    if (!(error instanceof VoxError)) throw error;
    const lines = error.message.split('\n').filter((line) => line.startsWith('  '));
    return {
      what: undefined,
      network: undefined,
      problems: lines.length > 0 ? lines.map((line) => line.trim()) : [error.message],
    };
  }
}
