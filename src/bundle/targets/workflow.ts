import { existsSync } from 'node:fs';
import { OptionError } from '../../errors.js';
import { type Component, Later } from '../config/component.js';
import { type BundleConfig, scriptId } from '../config/load.js';
import type { Resolver } from '../config/resolver.js';
import { separator } from '../config/tree.js';
import type { Value } from '../language/values.js';
import { listOf } from './args.js';
import { type EvaluationPlan, translateEvaluator } from './evaluator.js';
import { Problems } from './problems.js';
import { type TrainingPlan, translateTrainer } from './trainer.js';

/** What a configuration runs, in order. */
export interface Workflow {
  readonly evaluations: readonly EvaluationPlan[];
  readonly trainings: readonly TrainingPlan[];
  /** The seed that `set_determinism` is called with. */
  readonly seed: number | undefined;
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
  const trainings: TrainingPlan[] = [];
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
      if (plan) evaluations.push({ ...plan, checkpoint: plan.checkpoint ?? scriptedWeights(resolver) });
    } else if (path === '.run' && /Trainer$/.test(of.name)) {
      if (of.name !== 'SupervisedTrainer') {
        problems.add(of.id, `is ${of.target}, which has no counterpart; known is SupervisedTrainer`);
        continue;
      }
      const used = args.positional.length === 0 ? loader : undefined;
      const plan = translateTrainer(of, used, problems);
      if (plan) trainings.push(plan);
    } else if (!path.includes('.logger.')) problems.add(id, `calls ${value.show()}, which is not known`);
  }
  problems.throwIfAny(config.configFiles.join(', '));
  return { evaluations, trainings, seed: seedOf(resolver, asked) };
}

/**
 * The weights of a TorchScript program that a configuration loads as its network: the program, or the
 * checkpoint beside it that it was exported from, e.g. `model.pt` for `model_trt.ts`. The checkpoint is used
 * if the program is not there, or is one for TensorRT, whose weights are inside of the engine.
 */
function scriptedWeights(resolver: Resolver): string | undefined {
  if (!resolver.has(scriptId)) return undefined;
  const script = String(resolver.resolve(scriptId));
  const [, ending] = /((?:_trt\w*)?\.\w+)$/.exec(script) ?? ['', ''];
  const checkpoint = `${script.slice(0, script.length - ending.length)}.pt`;
  const needed = ending.startsWith('_trt') ? !existsSync(checkpoint) : true;
  return needed && existsSync(script) ? script : checkpoint;
}

/** The seed of `monai.utils.set_determinism`, which is a function without effect here. */
function seedOf(resolver: Resolver, asked: readonly { readonly id: string }[]): number | undefined {
  for (const { id } of asked) {
    const found = /\bset_determinism\(\s*(?:seed\s*=\s*)?(\d+)/.exec(resolver.expression(id) ?? '');
    if (found) return Number(found[1]);
  }
  return undefined;
}

/** The values of a list of actions, or of a single action. */
function itemsOf(resolver: Resolver, id: string): { id: string; value: Value }[] {
  const value = resolver.resolve(id);
  const items = listOf(value);
  if (!items) return [{ id, value }];
  return items.map((item, i) => ({ id: `${id}${separator}${i}`, value: item }));
}
