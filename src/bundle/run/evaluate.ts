import { dirname, resolve } from 'node:path';
import {
  concatMap,
  finalize,
  from,
  fromEvent,
  ignoreElements,
  lastValueFrom,
  mergeMap,
  type Observable,
  of,
  takeUntil,
  tap,
} from 'rxjs';
import { makeCase } from '../../case.js';
import { removePartials } from '../../formats/files.js';
import { mapCase } from '../../operators/map.js';
import { autoInFlight, loadShared } from '../../pipeline/engine.js';
import { chain } from '../../pipeline/fuse.js';
import { admission, estimatorOf, memoryBudget } from '../../pipeline/memory.js';
import { StepFailure } from '../../pipeline/steps.js';
import { Budget } from '../../runtime/budget.js';
import type { Runtime } from '../../runtime/runtime.js';
import { checkPlan, type EvaluationPlan } from '../targets/evaluator.js';
import { Problems } from '../targets/problems.js';
import type { BundleStep } from '../targets/steps.js';
import { bundleModel } from './bundleModel.js';
import { caseId, channelFiles } from './cases.js';
import { type Measured, meanOf } from './measure.js';
import { measureCase } from './measureCase.js';
import { type MetricResult, rowNames, writeReport } from './reports.js';
import { saveStep } from './save.js';
import { buildStages, placeSteps, stagesOf } from './stages.js';

/** What an evaluation needs besides its plan. */
export interface EvaluationSettings {
  readonly runtime: Runtime;
  /** The configuration's name for messages. */
  readonly file: string;
  /** The bundle's name. */
  readonly name: string;
  readonly monaiVersion: string | undefined;
  /** Memory for all open cases in bytes. Default: half of what this process may use. */
  readonly memory?: number;
  /** Cases that may be open at the same time. Default: as in `voxstream run`. */
  readonly inFlight?: number;
  /** Aborting it starts no more cases and abandons those that are open. */
  readonly signal?: AbortSignal;
  /** Called with sentences about what happens. */
  readonly say: (message: string) => void;
}

/** The results of an evaluation. */
export interface EvaluationResult {
  readonly files: readonly string[];
  /** Empty if the evaluation was interrupted: they are those of all cases. */
  readonly metrics: readonly MetricResult[];
  /** The number of cases whose files are written. */
  readonly done: number;
  readonly interrupted: boolean;
}

/**
 * Runs an evaluator of MONAI: preprocessing, inference, postprocessing with the files that it writes, and
 * metrics. Several cases are in progress at once, as many as fit in the memory.
 *
 * @throws VoxError if the plan cannot run, or at the first case that fails, as MONAI does. Cases that were
 * finished keep their files.
 */
export async function runEvaluation(
  plan: EvaluationPlan,
  settings: EvaluationSettings,
): Promise<EvaluationResult> {
  checkPlan(plan);
  const { runtime, say, signal = new AbortController().signal, inFlight = autoInFlight(runtime) } = settings;
  const steps = await stepsOf(plan, settings);
  const problems = new Problems();
  const placed = placeSteps(steps, problems);
  problems.throwIfAny(settings.file);

  const files: string[] = [];
  const cases = plan.cases.map((one, index) => ({ id: caseId(one, index), files: one, index }));
  const byId = new Map(cases.map((one) => [one.id, one]));
  const stages = stagesOf(steps, placed, (save, context) =>
    saveStep(
      save,
      context,
      (id) => byId.get(id)?.files ?? {},
      (file) => {
        files.push(file);
        say(`wrote ${file}`);
      },
    ),
  );
  const measured = cases.map((): ReadonlyMap<string, Measured> => new Map());
  const measuring = mapCase({ id: 'metrics', runtime }, 'cpu', async (subject) => {
    measured[byId.get(subject.id)?.index ?? 0] = await measureCase(subject, plan.metrics, runtime);
    return subject;
  });
  const operator = chain([...buildStages(stages, { runtime }), measuring]);
  const release = await loadShared({ steps: [...placed.values()] }, runtime);
  let done = 0;
  try {
    const forecasters = await Promise.all(
      stages.map(async ({ id, forecast }) => ({ id, forecast: await forecast(runtime) })),
    );
    const budget = memoryBudget({ runtime: { memory: settings.memory ?? 'auto' } });
    const admit = admission(estimatorOf(forecasters), new Budget(budget));
    const stream = ({ id, files: given }: (typeof cases)[number]): Observable<never> => {
      const subject = makeCase({ id, files: channelFiles(given) });
      return from(admit(subject)).pipe(
        concatMap(({ leave }) => of(subject).pipe(operator, finalize(leave))),
        tap(() => done++),
        ignoreElements(),
      );
    };
    if (!signal.aborted) {
      await lastValueFrom(
        from(cases).pipe(mergeMap(stream, inFlight), takeUntil(fromEvent(signal, 'abort'))),
        { defaultValue: undefined },
      );
    }
  } catch (error) {
    await abandon(files, runtime);
    throw error instanceof StepFailure ? error.reason : error;
  } finally {
    await release();
  }
  if (signal.aborted && done < cases.length) {
    await abandon(files, runtime);
    return { files, metrics: [], done, interrupted: true };
  }
  const metrics = plan.metrics.map(({ name }): MetricResult => {
    const each = measured.flatMap((found) => found.get(name) ?? []);
    return { name, value: meanOf(each), cases: each };
  });
  for (const report of plan.reports) {
    const written = await writeReport(report, metrics, rowNames(report, plan.cases));
    files.push(...written);
    for (const file of written) say(`wrote ${file}`);
  }
  return { files, metrics, done, interrupted: false };
}

/** The steps of an evaluation with its model. */
async function stepsOf(
  plan: EvaluationPlan,
  { name, monaiVersion, say }: EvaluationSettings,
): Promise<BundleStep[]> {
  const { folder, notes } = await bundleModel({
    network: plan.network,
    checkpoint: plan.checkpoint as string,
    monaiVersion,
    roiSize: plan.inference['roiSize'],
    name,
  });
  for (const note of notes) say(note);
  const options = { ...plan.inference, model: folder };
  return [...plan.before, { kind: 'operator', name: 'inference', options, id: plan.id }, ...plan.after];
}

/** Ends the work on open cases, and removes the files that it left half written beside finished ones. */
async function abandon(files: readonly string[], runtime: Runtime): Promise<void> {
  await runtime.close();
  await removePartials(new Set(files.map((file) => dirname(resolve(file)))));
}
