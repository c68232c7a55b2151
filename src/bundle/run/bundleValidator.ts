import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { from, lastValueFrom, mergeMap, type OperatorFunction, of, toArray } from 'rxjs';
import type { Case } from '../../case.js';
import { OptionError } from '../../errors.js';
import { unknownColumn } from '../../metrics/columns.js';
import { type NewModel, writeModelFolder } from '../../models/folder.js';
import type { PlacedStep } from '../../operators/fusion.js';
import { onlyDifferences } from '../../operators/onlyDifferences.js';
import { chain } from '../../pipeline/fuse.js';
import type { Runtime } from '../../runtime/runtime.js';
import {
  type ModelValidator,
  type Validation,
  type ValidatorSetup,
  validationFolder,
} from '../../train/validate.js';
import { Problems } from '../targets/problems.js';
import type { BundleStep } from '../targets/steps.js';
import type { ValidationPlan } from '../targets/trainer.js';
import { type Measured, meanOf } from './measure.js';
import { measureCase } from './measureCase.js';
import { type MetricResult, rowNames, writeReport } from './reports.js';
import { saveStep } from './save.js';
import { buildStages, placeSteps, stagesOf } from './stages.js';
import { withCache } from './trainingPipeline.js';

/** Cases in progress at the same time: one on the device while the next one is prepared. */
const inFlight = 2;

/**
 * Tests the model in training as a bundle's evaluator does: its steps, the files that it writes, its metrics
 * and their means.
 */
export class BundleValidator implements ModelValidator {
  readonly #folder: string;
  readonly #placed: readonly PlacedStep[];
  /** Built once, so that the cache keeps cases from one validation to the next. */
  readonly #operator: OperatorFunction<Case, Case>;
  readonly #bad = new Set<string>();

  /** @throws OptionError if the steps refuse their options. */
  constructor(
    readonly plan: ValidationPlan,
    readonly goal: ModelValidator['goal'],
    readonly setup: ValidatorSetup,
  ) {
    const { evaluation, cached } = plan;
    const { runtime, seed, output } = setup;
    this.#folder = validationFolder(output);
    const steps = validationSteps(plan, join(this.#folder, 'model'), cached);
    const problems = new Problems();
    const placed = placeSteps(steps, problems);
    problems.throwIfAny(evaluation.id);
    this.#placed = [...placed.values()];
    const files = (id: string) => evaluation.cases[setup.cases.findIndex((one) => one.id === id)] ?? {};
    this.#operator = chain(
      buildStages(
        stagesOf(steps, placed, (save, context) => saveStep(save, context, files, () => {})),
        { runtime, seed },
      ),
    );
  }

  /**
   * Tests a model. A case that fails is skipped from then on.
   *
   * @throws OptionError if no case can be used.
   */
  async run(model: NewModel, onCase: (done: number) => void): Promise<Validation> {
    const { evaluation } = this.plan;
    const { cases, runtime } = this.setup;
    const releases: (() => Promise<void>)[] = [];
    try {
      await writeModelFolder(join(this.#folder, 'model'), model, true);
      for (const [at, step] of this.#placed.entries()) {
        const release = await step.built.prepare?.({
          id: step.id,
          runtime,
          onlyDifferences: onlyDifferences(step, this.#placed[at + 1]),
        });
        if (release) releases.push(release);
      }
      let done = 0;
      const found = await lastValueFrom(
        from(cases.filter(({ id }) => !this.#bad.has(id))).pipe(
          mergeMap(async (subject, index) => {
            const measured = await this.#measure(subject, runtime);
            if (measured) onCase(++done);
            return { index, measured };
          }, inFlight),
          toArray(),
        ),
      );
      const each = found
        .sort((a, b) => a.index - b.index)
        .flatMap(({ measured }) => (measured ? [measured] : []));
      if (each.length === 0) {
        throw new OptionError('No validation case can be used. The warnings above say why.');
      }
      const results = evaluation.metrics.map(({ name }): MetricResult => {
        const values = each.map((measured) => measured.get(name) as Measured);
        return { name, value: meanOf(values), cases: values };
      });
      for (const report of evaluation.reports) {
        await writeReport(report, results, rowNames(report, evaluation.cases));
      }
      return {
        metrics: results.map(({ name, value }) => ({
          metric: unknownColumn(name).metric,
          label: null,
          value,
        })),
        value: results.find(({ name }) => name === evaluation.keyMetric)?.value ?? Number.NaN,
      };
    } finally {
      for (const release of releases) await release();
      await rm(this.#folder, { recursive: true, force: true });
    }
  }

  async #measure(subject: Case, runtime: Runtime): Promise<ReadonlyMap<string, Measured> | undefined> {
    const { onFailure, onNotes } = this.setup;
    try {
      const made = await lastValueFrom(of(subject).pipe(this.#operator));
      onNotes(subject.id, made.notes);
      return await measureCase(made, this.plan.evaluation.metrics, runtime);
    } catch (error) {
      this.#bad.add(subject.id);
      onFailure(subject.id, error);
      return undefined;
    }
  }
}

/** The steps of a validation with the model in a folder. */
export function validationSteps(
  { evaluation: { before, after, inference, id } }: ValidationPlan,
  model: string,
  cached: boolean,
): BundleStep[] {
  const network = { kind: 'operator', name: 'inference', options: { ...inference, model }, id } as const;
  return [...withCache(before, cached ? before.length : 0), network, ...after];
}
