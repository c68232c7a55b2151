import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { from, lastValueFrom, mergeMap, type OperatorFunction, of, toArray } from 'rxjs';
import type { Case } from '../case.js';
import { messageOf, OptionError } from '../errors.js';
import { type NewModel, writeModelFolder } from '../models/folder.js';
import { type Fusion, withOptions } from '../operators/fusion.js';
import { onlyDifferences } from '../operators/onlyDifferences.js';
import { chain, fuseSteps } from '../pipeline/fuse.js';
import { modelInTraining, type ValidationBlock } from '../pipeline/trainBlock.js';
import type { Runtime } from '../runtime/runtime.js';
import { columnsOf } from '../sinks/rows.js';

/** Cases in progress at the same time: one on the device while the next one is prepared. */
const inFlight = 2;

/** The result of a validation. */
export interface Validation {
  /** Means over the cases, by column, without undefined values. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The value of the metric that chooses the best model. */
  readonly value: number;
}

/** Tests the model in training on validation cases, with the steps of an inference. */
export class Validator {
  readonly #bad = new Set<string>();
  readonly #folder: string;
  readonly #steps: ValidationBlock['steps'];
  /** Built once, so that a `cache` among the steps keeps cases from one validation to the next. */
  readonly #operator: OperatorFunction<Case, Case>;

  constructor(
    readonly block: ValidationBlock,
    readonly cases: readonly Case[],
    readonly runtime: Runtime,
    output: string,
    readonly seed: number,
    fusions: readonly Fusion[],
    readonly onFailure: (id: string, message: string) => void,
  ) {
    this.#folder = join(output, '.voxstream', 'validation');
    this.#steps = block.steps.map((step) =>
      step.options['model'] === modelInTraining
        ? withOptions(step, { ...step.options, model: join(this.#folder, 'model') })
        : step,
    );
    this.#operator = chain(
      fuseSteps(this.#steps, fusions).map(({ id, build }) => build({ id, runtime, seed })),
    );
  }

  /**
   * Tests a model. A case that fails is skipped from then on.
   *
   * @throws OptionError if no case can be used, or the steps do not give the metric.
   */
  async run(model: NewModel, onCase: (done: number) => void): Promise<Validation> {
    const { block, runtime, seed } = this;
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
          const { metrics } = await lastValueFrom(of(subject).pipe(this.#operator));
          onCase(++done);
          return metrics;
        } catch (error) {
          this.#bad.add(subject.id);
          this.onFailure(subject.id, messageOf(error));
          return undefined;
        }
      };
      const rows = await lastValueFrom(
        from(this.cases.filter(({ id }) => !this.#bad.has(id))).pipe(
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

/**
 * The means over the cases, and the value of the metric: its own column, or the mean of the columns that
 * start with it.
 */
function summary(rows: readonly Case['metrics'][], metric: string): Validation {
  if (rows.length === 0) {
    throw new OptionError(
      'No validation case can be used. The warnings above say why. Correct the cases or the steps.',
    );
  }
  const columns = columnsOf(rows);
  const metrics = Object.fromEntries(columns.map((column) => [column, mean(rows.map((row) => row[column]))]));
  const own = columns.filter((column) => column === metric || column === `${metric}_mean`);
  const chosen =
    own.length > 0 ? own.slice(0, 1) : columns.filter((column) => column.startsWith(`${metric}_`));
  if (chosen.length === 0) {
    throw new OptionError(
      `train.validation.metric is "${metric}", but the validation's steps give ` +
        `${columns.length > 0 ? columns.join(', ') : 'no metrics'}. Name one of these, or add the step.`,
    );
  }
  return { metrics, value: mean(chosen.map((column) => metrics[column])) };
}

function mean(values: readonly (number | undefined)[]): number {
  const defined = values.filter((value) => value !== undefined && !Number.isNaN(value)) as number[];
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
