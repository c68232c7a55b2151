import { lastValueFrom, type OperatorFunction, of } from 'rxjs';
import type { Case } from '../../case.js';
import { fusions } from '../../operators/index.js';
import { chain, fuseSteps } from '../../pipeline/fuse.js';
import type { Runtime } from '../../runtime/runtime.js';
import type { DoneStep } from '../../train/trainingLoop.js';
import { Problems } from '../targets/problems.js';
import type { PatchMetrics } from '../targets/trainer.js';
import { type Measured, meanOf } from './measure.js';
import { measureCase } from './measureCase.js';
import { buildStages, placeSteps } from './stages.js';

/** Measures the network's output for the patches of a training, as the metrics of MONAI's trainer do. */
export class PatchMeasures {
  readonly #operator: OperatorFunction<Case, Case>;
  #epoch: ReadonlyMap<string, Measured>[] = [];
  #last: Promise<void> = Promise.resolve();

  /** @throws OptionError if the steps refuse their options. */
  constructor(
    readonly plan: PatchMetrics,
    readonly runtime: Runtime,
  ) {
    const problems = new Problems();
    const placed = [...placeSteps(plan.after, problems).values()];
    problems.throwIfAny('postprocessing');
    this.#operator = chain(buildStages(fuseSteps(placed, fusions), { runtime }));
  }

  /** Measures the patches of a step while the next step runs. Waits for those of the step before. */
  async add({ cases }: DoneStep): Promise<void> {
    await this.#last;
    this.#last = this.#measure(cases);
    // An error is thrown to the next caller.
    this.#last.catch(() => {});
  }

  async #measure(cases: DoneStep['cases']): Promise<void> {
    const { plan, runtime } = this;
    const measured = cases.map(async (subject) =>
      measureCase(await lastValueFrom(of(subject).pipe(this.#operator)), plan.metrics, runtime),
    );
    this.#epoch.push(...(await Promise.all(measured)));
  }

  /** The means over the patches since the last call, by metric. Empty if there were none. */
  async take(): Promise<ReadonlyMap<string, number>> {
    await this.#last;
    const patches = this.#epoch;
    this.#epoch = [];
    if (patches.length === 0) return new Map();
    return new Map(
      this.plan.metrics.map(({ name }) => [
        name,
        meanOf(patches.map((patch) => patch.get(name) as Measured)),
      ]),
    );
  }
}
