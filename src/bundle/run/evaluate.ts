import { basename } from 'node:path';
import { concatMap, from, lastValueFrom, of, toArray } from 'rxjs';
import { type Case, makeCase, volumeOf } from '../../case.js';
import { DataError } from '../../errors.js';
import { mapCase } from '../../operators/map.js';
import { chain } from '../../pipeline/fuse.js';
import type { Runtime } from '../../runtime/runtime.js';
import { task } from '../../runtime/task.js';
import { checkPlan, type EvaluationPlan } from '../targets/evaluator.js';
import { Problems } from '../targets/problems.js';
import { bundleModel } from './bundleModel.js';
import { type Measured, meanOf, measure } from './measure.js';
import { type MetricResult, writeReport } from './reports.js';
import { saveStep } from './save.js';
import { buildStages, placeSteps } from './stages.js';

const measureTask = task(new URL('./measure.js', import.meta.url), measure);

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
  const cases = plan.cases.map((one, i) => {
    const image = one['image'] ?? Object.values(one)[0];
    const named = basename(typeof image === 'string' ? image : (image?.[0] ?? `case ${i + 1}`));
    return { id: `${i + 1}: ${named}`, files: one };
  });
  const filesOf = (id: string) => cases.find((one) => one.id === id)?.files ?? {};
  const operators = buildStages(steps, placed, { id: 'bundle', runtime }, (save, context) =>
    saveStep(save, context, filesOf, (file) => {
      files.push(file);
      say(`wrote ${file}`);
    }),
  );
  const measured = new Map<string, Measured[]>(plan.metrics.map(({ name }) => [name, []]));
  const measuring = mapCase({ id: 'metrics', runtime }, 'cpu', async (subject) => {
    for (const metric of plan.metrics) {
      const [pred, label] = metric.keys.map((key) => volumeOf(subject, key));
      checkPair(subject, metric.keys, pred.data.length / pred.channels, label.data.length / label.channels);
      measured.get(metric.name)?.push(await runtime.run(measureTask, pred, label, metric));
    }
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
    const rows = cases.map(({ files: given }, i) => {
      const file = report.source === undefined ? undefined : given[report.source];
      return typeof file === 'string' ? file : (file?.[0] ?? String(i));
    });
    const written = await writeReport(report, metrics, rows);
    files.push(...written);
    for (const file of written) say(`wrote ${file}`);
  }
  return { files, metrics };
}

/** Files as the operator `load` takes them. */
function channelFiles(files: EvaluationPlan['cases'][number]): Case['files'] {
  return Object.fromEntries(
    Object.entries(files).map(([key, file]) => [
      key,
      typeof file === 'string' ? file : { channels: [...file] },
    ]),
  );
}

function checkPair(subject: Case, keys: readonly string[], pred: number, label: number): void {
  if (pred === label) return;
  throw new DataError(
    `The metrics compare ${keys[0]} with ${keys[1]}, but in case ${subject.id} they have ${pred} and ${label} voxels. Both must be on the same grid.`,
  );
}
