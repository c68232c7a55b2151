import { concatMap, from, lastValueFrom, of, toArray } from 'rxjs';
import { makeCase } from '../../case.js';
import { mapCase } from '../../operators/map.js';
import { chain } from '../../pipeline/fuse.js';
import type { Runtime } from '../../runtime/runtime.js';
import { checkPlan, type EvaluationPlan } from '../targets/evaluator.js';
import { Problems } from '../targets/problems.js';
import { bundleModel } from './bundleModel.js';
import { caseId, channelFiles } from './cases.js';
import { type Measured, meanOf } from './measure.js';
import { measureCase } from './measureCase.js';
import { type MetricResult, rowNames, writeReport } from './reports.js';
import { saveStep } from './save.js';
import { buildStages, placeSteps } from './stages.js';

/** What an evaluation needs besides its plan. */
export interface EvaluationSettings {
  readonly runtime: Runtime;
  /** The configuration's name for messages. */
  readonly file: string;
  /** The bundle's name. */
  readonly name: string;
  readonly monaiVersion: string | undefined;
  /** Called with sentences about what happens. */
  readonly say: (message: string) => void;
}

/** The results of an evaluation. */
export interface EvaluationResult {
  readonly files: readonly string[];
  readonly metrics: readonly MetricResult[];
}

/**
 * Runs an evaluator of MONAI: preprocessing, inference, postprocessing with the files that it writes, and
 * metrics.
 *
 * @throws VoxError if the plan cannot run, or at the first case that fails, as MONAI does.
 */
export async function runEvaluation(
  plan: EvaluationPlan,
  settings: EvaluationSettings,
): Promise<EvaluationResult> {
  checkPlan(plan);
  const { runtime, say } = settings;
  const problems = new Problems();
  const { folder, notes } = await bundleModel({
    network: plan.network,
    checkpoint: plan.checkpoint as string,
    monaiVersion: settings.monaiVersion,
    roiSize: plan.inference['roiSize'],
    name: settings.name,
  });
  for (const note of notes) say(note);
  const network = {
    kind: 'operator',
    name: 'inference',
    options: { ...plan.inference, model: folder },
    id: plan.id,
  } as const;
  const steps = [...plan.before, network, ...plan.after];
  const placed = placeSteps(steps, problems);
  problems.throwIfAny(settings.file);

  const files: string[] = [];
  const cases = plan.cases.map((one, i) => ({ id: caseId(one, i), files: one }));
  const filesOf = (id: string) => cases.find((one) => one.id === id)?.files ?? {};
  const operators = buildStages(steps, placed, { id: 'bundle', runtime }, (save, context) =>
    saveStep(save, context, filesOf, (file) => {
      files.push(file);
      say(`wrote ${file}`);
    }),
  );
  const measured = new Map<string, Measured[]>(plan.metrics.map(({ name }) => [name, []]));
  const measuring = mapCase({ id: 'metrics', runtime }, 'cpu', async (subject) => {
    const found = await measureCase(subject, plan.metrics, runtime);
    for (const [name, one] of found) measured.get(name)?.push(one);
    return subject;
  });
  const one = chain([...operators, measuring]);
  await lastValueFrom(
    from(cases).pipe(
      // One case after the other, in the order of the list.
      concatMap(({ id, files: given }) => of(makeCase({ id, files: channelFiles(given) })).pipe(one)),
      concatMap(({ id }) => of(id)),
      toArray(),
    ),
  );
  const metrics = plan.metrics.map(({ name }): MetricResult => {
    const each = measured.get(name) ?? [];
    return { name, value: meanOf(each), cases: each };
  });
  for (const report of plan.reports) {
    const written = await writeReport(report, metrics, rowNames(report, plan.cases));
    files.push(...written);
    for (const file of written) say(`wrote ${file}`);
  }
  return { files, metrics };
}
