import { join } from 'node:path';
import { OptionError } from '../../errors.js';
import { withMonaiVersion } from '../../onnx/builders/withMonaiVersion.js';
import { parseDevice } from '../../runtime/device.js';
import type { Runtime } from '../../runtime/runtime.js';
import type { TrainEvent } from '../../train/events.js';
import { runTraining, type TrainResult } from '../../train/train.js';
import { Problems } from '../targets/problems.js';
import type { TrainingPlan } from '../targets/trainer.js';
import { Boards } from './boards.js';
import { BundleValidator } from './bundleValidator.js';
import { CheckpointFiles } from './checkpointFiles.js';
import { PatchMeasures } from './patchMeasures.js';
import { placeTraining, trainingPipeline } from './trainingPipeline.js';

/** How a bundle's training is run. */
export interface TrainingSettings {
  readonly runtime: Runtime;
  /** A device as `--device` names it. */
  readonly device: string;
  /** The configuration's files. */
  readonly files: readonly string[];
  /** The bundle's folder and name. */
  readonly root: string;
  readonly name: string;
  readonly monaiVersion: string | undefined;
  readonly seed: number;
  /** Continue a training that was interrupted. Default: start again. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  readonly command?: string;
  readonly onEvent: (event: TrainEvent) => void;
}

/** How a bundle's training ended. */
export interface BundleTrainingResult extends TrainResult {
  /** The folder of voxstream's own files. */
  readonly folder: string;
  /** The checkpoints that were written, each once. */
  readonly checkpoints: readonly string[];
}

/**
 * The folder of voxstream's own files of a training: the model folder, the state to resume from, curves and
 * records. It is beside the checkpoint that the training writes.
 */
export function trainingFolder({ savers }: TrainingPlan, root: string): string {
  const [saver] = savers;
  if (!saver) return join(root, 'models', 'model.voxstream');
  const name = saver.file?.replace(/\.\w+$/, '') ?? saver.name;
  return join(saver.folder, `${name}.voxstream`);
}

/**
 * Trains as a trainer of MONAI does, and writes the checkpoints and the TensorBoard files that its handlers
 * write.
 *
 * @throws VoxError if the plan cannot run.
 */
export async function runBundleTraining(
  given: TrainingPlan,
  settings: TrainingSettings,
): Promise<BundleTrainingResult> {
  const { monaiVersion, device, seed, name, root, files, onEvent } = settings;
  const network = withMonaiVersion(given.network, {
    ...(monaiVersion !== undefined && { found: monaiVersion }),
  });
  const plan: TrainingPlan = { ...given, network };
  checkCases(plan);
  const problems = new Problems();
  const parts = placeTraining(plan, problems);
  problems.throwIfAny(files.join(', '));
  if (!parts) throw new OptionError(`${files.join(', ')} cannot be trained.`);
  const output = trainingFolder(plan, root);
  const replicas = plan.distributed && device !== 'auto' ? parseDevice(device).numbers.length : 1;
  const pipeline = trainingPipeline(plan, parts, { name, output, device, replicas, seed, files });
  const checkpoints = new Set<string>();
  const key = plan.validation?.evaluation.keyMetric;
  const saving = new CheckpointFiles(plan.savers, network, plan.epochs, key, (file) => checkpoints.add(file));
  const boards = new Boards(plan.boards, replicas);
  const { validation } = plan;
  const measures = plan.patchMetrics && new PatchMeasures(plan.patchMetrics, settings.runtime);
  const goal = pipeline.train?.validation?.goal ?? 'max';
  try {
    const result = await runTraining(pipeline, {
      runtime: settings.runtime,
      resume: settings.resume,
      // MONAI starts again and writes over what an earlier training left.
      overwrite: !settings.resume,
      signal: settings.signal,
      command: settings.command,
      onEvent: (event) => {
        if (event.event === 'step') boards.addStep(event);
        onEvent(event);
      },
      ...(validation && { validator: (setup) => new BundleValidator(validation, goal, setup) }),
      afterEpoch: async (epoch) => {
        await saving.write(epoch);
        await boards.endEpoch(epoch.row, await measures?.take());
      },
      ...(measures && { afterStep: (step) => measures.add(step) }),
    });
    return { ...result, folder: output, checkpoints: [...checkpoints] };
  } finally {
    await boards.flush();
  }
}

function checkCases({ id, cases, validation }: TrainingPlan): void {
  const empty =
    cases.length === 0
      ? id
      : validation?.evaluation.cases.length === 0
        ? validation.evaluation.id
        : undefined;
  if (empty === undefined) return;
  throw new OptionError(
    `${empty.replaceAll('::', '#')} has no cases: the list of files is empty. Check the data folder, e.g. --dataset_dir PATH`,
  );
}
