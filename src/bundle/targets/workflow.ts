import { OptionError } from '../../errors.js';
import { type Component, Later } from '../config/component.js';
import type { BundleConfig } from '../config/load.js';
import type { Resolver } from '../config/resolver.js';
import { separator } from '../config/tree.js';
import type { Value } from '../language/values.js';
import { listOf } from './args.js';
import { type EvaluationPlan, translateEvaluator } from './evaluator.js';
import { Problems } from './problems.js';

/** What a configuration runs, in order. */
export interface Workflow {
  readonly evaluations: readonly EvaluationPlan[];
  /** Engines that train. */
  readonly trainings: readonly Component[];
}

/**
 * What the ids `initialize`, `run` and `finalize` of a configuration ask for.
 *
 * @throws OptionError listing everything that has no counterpart.
 */
export function workflowOf(config: BundleConfig): Workflow {
  const resolver = config.resolver();
  const { init, run, final } = config.ids;
  if (!resolver.has(run)) {
    throw new OptionError(
      `${config.configFiles.join(', ')} has no "${run}", which says what to run. Name another id: voxstream bundle run ID …`,
    );
  }
  const problems = new Problems();
  const asked = [init, run, final].flatMap((id) => (resolver.has(id) ? itemsOf(resolver, id) : []));
  let loader: Component | undefined;
  const evaluations: EvaluationPlan[] = [];
  const trainings: Component[] = [];
  for (const { id, value } of asked) {
    if (!(value instanceof Later) || !value.args) continue;
    const { of, path, args } = value;
    if (of.name === 'CheckpointLoader' && path === '') loader = of;
    else if (path === '.run' && /Evaluator$/.test(of.name)) {
      if (of.name !== 'SupervisedEvaluator') {
        problems.add(of.id, `is ${of.target}, which has no counterpart; known is SupervisedEvaluator`);
        continue;
      }
      const used = args.positional.length === 0 ? loader : undefined;
      const plan = translateEvaluator(of, used, problems);
      if (plan) evaluations.push(plan);
    } else if (path === '.run' && /Trainer$/.test(of.name)) trainings.push(of);
    else if (!path.includes('.logger.')) problems.add(id, `calls ${value.show()}, which is not known`);
  }
  problems.throwIfAny(config.configFiles.join(', '));
  return { evaluations, trainings };
}

/** The values of a list of actions, or of a single action. */
function itemsOf(resolver: Resolver, id: string): { id: string; value: Value }[] {
  const value = resolver.resolve(id);
  const items = listOf(value);
  if (!items) return [{ id, value }];
  return items.map((item, i) => ({ id: `${id}${separator}${i}`, value: item }));
}
