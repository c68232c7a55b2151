import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { from, lastValueFrom, mergeMap, type OperatorFunction, of, toArray } from 'rxjs';
import type { Case } from '../case.js';
import { OptionError } from '../errors.js';
import { isNamed, tabulate } from '../metrics/columns.js';
import type { MetricValue } from '../metrics/metric.js';
import { type NewModel, writeModelFolder } from '../models/folder.js';
import { type Fusion, withOptions } from '../operators/fusion.js';
import { onlyDifferences } from '../operators/onlyDifferences.js';
import { chain, fuseSteps } from '../pipeline/fuse.js';
import { withLocalCase } from '../pipeline/localCase.js';
import { modelInTraining, type ValidationBlock } from '../pipeline/trainBlock.js';
import type { Runtime } from '../runtime/runtime.js';

/** Where the model in training is kept during a validation. */
export const validationFolder = (output: string): string => join(output, '.voxstream', 'validation');

/** Cases in progress at the same time: one on the device while the next one is prepared. */
const inFlight = 2;

/** The result of a validation. */
export interface Validation {
  /** Means over the cases, without undefined values. */
  readonly metrics: readonly MetricValue[];
  /** The value of the metric that chooses the best model. */
  readonly value: number;
}

/** Tests the model in training. */
export interface ModelValidator {
  /** Whether the best model has the highest or the lowest value. */
  readonly goal: ValidationBlock['goal'];
  /** @param onCase Called with the number of cases that are done. */
  run(model: NewModel, onCase: (done: number) => void): Promise<Validation>;
}

/** What a validator works with. */
export interface ValidatorSetup {
  readonly cases: readonly Case[];
  readonly runtime: Runtime;
  /** The folder of the training. */
  readonly output: string;
  readonly seed: number;
  /** Called for each case that cannot be used. */
  readonly onFailure: (id: string, error: unknown) => void;
  /** Called with what was assumed about a case. */
  readonly onNotes: (id: string, notes: readonly string[] | undefined) => void;
}

/** Tests the model in training on validation cases, with the steps of an inference. */
export class Validator implements ModelValidator {
  readonly #bad = new Set<string>();
  readonly #folder: string;
  readonly #steps: ValidationBlock['steps'];
  /** Built once, so that a `cache` among the steps keeps cases from one validation to the next. */
  readonly #operator: OperatorFunction<Case, Case>;

  constructor(
    readonly block: ValidationBlock,
    fusions: readonly Fusion[],
    readonly setup: ValidatorSetup,
  ) {
    const { runtime, seed, output } = setup;
    this.#folder = validationFolder(output);
    this.#steps = block.steps.map((step) =>
      step.options['model'] === modelInTraining
        ? withOptions(step, { ...step.options, model: join(this.#folder, 'model') })
        : step,
    );
    this.#operator = chain(
      fuseSteps(this.#steps, fusions).map(({ id, build }) => build({ id, runtime, seed })),
    );
  }

  get goal(): ValidationBlock['goal'] {
    return this.block.goal;
  }

  /**
   * Tests a model. A case that fails is skipped from then on.
   *
   * @throws OptionError if no case can be used, or the steps do not give the metric.
   */
  async run(model: NewModel, onCase: (done: number) => void): Promise<Validation> {
    const { block } = this;
    const { cases, runtime, seed, onFailure, onNotes } = this.setup;
    const releases: (() => Promise<void>)[] = [];
    try {
      await writeModelFolder(join(this.#folder, 'model'), model, true);
      // Keeps the model loaded for all cases.
      for (const [at, step] of this.#steps.entries()) {
        const differences = onlyDifferences(step, this.#steps[at + 1]);
        const context = { id: step.id, runtime, seed, onlyDifferences: differences };
        const release = await step.built.prepare?.(context);
        if (release) releases.push(release);
      }
      let done = 0;
      const one = async (subject: Case): Promise<Case['metrics'] | undefined> => {
        try {
          return await withLocalCase(subject, async (here, text) => {
            const { metrics, notes } = await lastValueFrom(of(here).pipe(this.#operator));
            onNotes(subject.id, notes?.map(text));
            onCase(++done);
            return metrics;
          });
        } catch (error) {
          this.#bad.add(subject.id);
          onFailure(subject.id, error);
          return undefined;
        }
      };
      const rows = await lastValueFrom(
        from(cases.filter(({ id }) => !this.#bad.has(id))).pipe(
          mergeMap(async (subject, index) => ({ index, metrics: await one(subject) }), inFlight),
          toArray(),
        ),
      );
      rows.sort((a, b) => a.index - b.index);
      return summary(
        rows.flatMap(({ metrics }) => (metrics ? [metrics] : [])),
        block.metric,
      );
    } finally {
      for (const release of releases) await release();
      await rm(this.#folder, { recursive: true, force: true });
    }
  }
}

/** The means over the cases, and the value of the metric (or column) that chooses the best model. */
function summary(cases: readonly Case['metrics'][], name: string): Validation {
  if (cases.length === 0) {
    throw new OptionError(
      'No validation case can be used. The warnings above say why. Correct the cases or the steps.',
    );
  }
  const { columns, rows } = tabulate(cases.map((metrics, i) => ({ case: String(i), metrics })));
  const means = columns.map((column) => ({
    column,
    value: mean(rows.map(({ values }) => values[column.name])),
  }));
  const named = means.filter(({ column }) => isNamed(column, name));
  if (named.length === 0) {
    const given = columns.map((column) => column.name).join(', ') || 'no metrics';
    throw new OptionError(
      `train.validation.metric is "${name}", but the validation's steps give ${given}. ` +
        'Name one of these, or add the step.',
    );
  }
  // A column, or the mean over labels, or else the mean of the labels' means.
  const single = named.find(({ column }) => column.name === name || column.label === null);
  return {
    metrics: means.map(({ column: { metric, label }, value }) => ({ metric, label, value })),
    value: single ? single.value : mean(named.map(({ value }) => value)),
  };
}

function mean(values: readonly (number | undefined)[]): number {
  const defined = values.filter((value) => value !== undefined && !Number.isNaN(value)) as number[];
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
