import { mkdir, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Case } from '../case.js';
import { OptionError, show } from '../errors.js';
import { readFault, writeFault } from '../formats/aside.js';
import { removePartials } from '../formats/files.js';
import type { Graph } from '../onnx/graph.js';
import { sizeOf } from '../onnx/tensor.js';
import { trainableWeights } from '../onnx/training/weights.js';
import { describePipeline } from '../pipeline/describePipeline.js';
import { chain, fuseSteps } from '../pipeline/fuse.js';
import { fingerprint } from '../pipeline/journal.js';
import { lockFolder } from '../pipeline/lock.js';
import { isRefused, selectCases } from '../pipeline/select.js';
import type { Choice, TrainBlock } from '../pipeline/trainBlock.js';
import type { Pipeline } from '../pipeline/types.js';
import { chooseDevice, parseDevice } from '../runtime/devices.js';
import { type NewModel, writeModelFolder } from '../runtime/modelFolder.js';
import { findModel, type ModelFiles, sha256Of } from '../runtime/models.js';
import type { Runtime } from '../runtime/runtime.js';
import type { ModelAxes } from '../volume/windows.js';
import { trainedCard } from './card.js';
import {
  type BestModel,
  type EpochRow,
  hasCheckpoint,
  type Progress,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint.js';
import type { TrainEvent } from './events.js';
import { type FedBatch, feed, trainingBatch } from './feed.js';
import { learningRateOf, lossOf, optimizerOf } from './parts.js';
import { TrainRecords } from './records.js';
import { EventWriter } from './tfevents.js';
import { checkpointToTrain, modelToTrain, networkToTrain } from './trainableModel.js';
import { createTrainer, type Trainer } from './trainer.js';
import { Validator } from './validate.js';

/** How a training is run. */
export interface TrainOptions {
  /** Go on from the last state in the output folder. */
  readonly resume?: boolean;
  /** Begin anew where the output folder holds a training. */
  readonly overwrite?: boolean;
  /** Aborting it ends the training after the step that is under way, its state saved. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainEvent) => void;
  readonly runtime: Runtime;
  /** Folders to look for the model to go on from, before the package's own. */
  readonly modelFolders?: readonly string[];
  /** The command line, for the model's card and run.json. */
  readonly command?: string;
}

/** How a training ended. */
export interface TrainResult {
  readonly reason: 'finished' | 'earlyStopping' | 'interrupted';
  readonly rows: readonly EpochRow[];
  readonly best?: BestModel;
  /** Ids of cases that could not be used. */
  readonly failed: readonly string[];
  /** The folder of the trained model. Undefined when the training was interrupted before there was one. */
  readonly model?: string;
}

const nothing: Progress = {
  step: 0,
  position: { epoch: 0, taken: 0 },
  open: { steps: 0, loss: 0, gradNorm: 0, seconds: 0, patches: 0 },
  rows: [],
  waited: 0,
  ended: false,
};

/** Where rewritten forms of models in training are kept for the time of a validation. */
export const formsFolder = (output: string): string => join(output, '.voxstream', 'forms');

/**
 * Trains a network as a pipeline's `train` block says: cases become patches by the pipeline's steps, patches batches, and each
 * batch a step. In the output folder appear `model` (the best one, or without validation the last), `checkpoint` (the states of
 * the last and the best model), `train.csv`, `failures.csv`, `run.json`, `report` and `tensorboard`.
 *
 * Everything random is a function of the seed and of counters, and the state is saved whole: a training that was interrupted,
 * however, and is resumed ends with the same weights to the bit as one that was not (on the same machine and device).
 *
 * @throws VoxError before the first step, when the dataset, the network, or the output folder is not usable.
 */
export async function runTraining(pipeline: Pipeline, options: TrainOptions): Promise<TrainResult> {
  const { train } = pipeline;
  if (!train) {
    throw new OptionError(
      `${pipeline.files.join(', ')} has no train block, so there is nothing to train. "voxstream run" runs it.`,
    );
  }
  const output = resolve(pipeline.output);
  await mkdir(output, { recursive: true }).catch((error) => {
    throw writeFault(output, error);
  });
  const lock = await lockFolder(output, {
    signal: options.signal,
    onWait: (message) => options.onEvent?.({ event: 'warning', message }),
  });
  const training = new Training(pipeline, train, output, lock.lost, options);
  try {
    await removePartials(output);
    return await training.run();
  } finally {
    await training.close();
    await rm(formsFolder(output), { recursive: true, force: true });
    await lock.release();
  }
}

/** The cases of a source that can be opened; the others are told. */
export async function openCases(
  { built }: Pipeline['source'],
  onFailure: (id: string, message: string) => void,
): Promise<Case[]> {
  const items = await selectCases(built.open(), {});
  return items.flatMap((item) => {
    if (!isRefused(item)) return [item];
    onFailure(item.id, item.refused);
    return [];
  });
}

class Training {
  readonly #begin = new Date();
  readonly #failed = new Map<string, string>();
  #trainer: Trainer | undefined;
  #progress = nothing;
  #closed = false;
  #records!: TrainRecords;

  constructor(
    readonly pipeline: Pipeline,
    readonly train: TrainBlock,
    readonly output: string,
    readonly lockLost: AbortSignal,
    readonly options: TrainOptions,
  ) {}

  #tell(event: TrainEvent): void {
    this.options.onEvent?.(event);
  }

  readonly #onFailure = (id: string, message: string): void => {
    // What was prepared ahead in vain fails when the threads end; that is nobody's fault.
    if (this.#closed || this.#failed.has(id)) return;
    this.#failed.set(id, message);
    this.#tell({ event: 'caseFailed', case: id, message });
  };

  async run(): Promise<TrainResult> {
    const { pipeline, train, output, options } = this;
    const { seed } = pipeline.runtime;
    const start = performance.now();
    const cases = await openCases(pipeline.source, this.#onFailure);
    if (cases.length < train.batchSize) {
      throw new OptionError(
        `The source has ${cases.length} training case(s), but train.batchSize is ${train.batchSize}. Give more cases, or a smaller batch.`,
      );
    }
    const validationCases = train.validation ? await openCases(train.validation.source, this.#onFailure) : [];
    const { graph, axes, base } = await this.#startModel();
    const identity = this.#identity(cases, base);
    const former = hasCheckpoint(output);
    if (former && !options.resume && !options.overwrite) {
      throw new OptionError(
        `${output} holds a training already. Give --resume to go on with it, --overwrite to begin anew, or another folder with ` +
          '--set output=….',
      );
    }
    const saved = former && options.resume ? await readCheckpoint(output, identity) : undefined;
    if (saved) this.#progress = { ...saved.progress, ended: false };
    else await this.#removeFormer();

    const batches = feed(cases, this.#steps(), this.#progress.position, {
      seed,
      batchSize: train.batchSize,
      prefetch: train.prefetch,
      onFailure: this.#onFailure,
    });
    const first = (await batches.next()).value;
    const { size: patch } = first.cases[0].volumes['image'] ?? {};
    if (!patch) throw new OptionError('The steps give no volume "image" to train on. Have load read it.');
    const classes = Number(graph.outputs[0].dims[1]);
    const labelChannels = first.cases[0].volumes['label']?.channels ?? 1;
    const { device } = await chooseDevice(pipeline.runtime.device);
    const onCpu = parseDevice(device).provider === 'cpu';
    if (train.amp && onCpu) {
      this.#tell({
        event: 'warning',
        message: `train.amp has no effect on ${device}: CPUs compute in float32.`,
      });
    }
    const trainer = await createTrainer({
      model: graph,
      axes,
      loss: lossOf(train.loss),
      optimizer: optimizerOf(train.optimizer),
      clip: train.clip,
      patch,
      batchSize: first.cases.length,
      labelChannels,
      accumulate: train.accumulate,
      precision: train.amp && !onCpu ? 'float16' : 'float32',
      device,
    });
    this.#trainer = trainer;
    if (saved) await trainer.restore(saved.tensors);

    const stepsPerEpoch = Math.floor(cases.length / train.batchSize);
    const rateAt = learningRateOf(train, stepsPerEpoch * train.epochs);
    const card = trainedCard(pipeline, train, {
      graph,
      axes: trainer.axes,
      patch,
      classes,
      labelNames: cases[0].labelNames ?? base?.card.labels,
      cases: cases.length,
      base,
      command: options.command,
    });
    this.#records = new TrainRecords(output, {
      pipeline: describePipeline(pipeline),
      files: pipeline.files,
      identity,
      command: options.command,
      device,
      replicas: trainer.replicas,
      network: train.network ?? { model: base?.card.name, sha256: base?.sha256 },
      cases: cases.map(({ id }) => id),
      validationCases: validationCases.map(({ id }) => id),
      started: this.#begin.toISOString(),
    });
    await this.#records.write(this.#progress.rows, this.#failed, train.validation?.metric);
    this.#tell({
      event: 'start',
      pipeline: pipeline.name,
      output: pipeline.output,
      cases: cases.length,
      validationCases: validationCases.length,
      epochs: train.epochs,
      stepsPerEpoch,
      patches: first.cases.length,
      patch,
      parameters: trainableWeights(graph).reduce(
        (sum, name) => sum + sizeOf(graph.initializers.get(name)?.dims ?? []),
        0,
      ),
      device,
      replicas: trainer.replicas,
      ...(saved && { resumedAt: this.#progress.step }),
    });
    const validator = train.validation
      ? new Validator(
          train.validation,
          validationCases,
          options.runtime,
          output,
          seed,
          pipeline.fusions,
          this.#onFailure,
        )
      : undefined;
    const events = new EventWriter(
      join(
        output,
        'tensorboard',
        `events.out.tfevents.${Math.floor(Date.now() / 1000)}.voxstream.${process.pid}`,
      ),
      this.#progress.step,
    );
    const model = async (): Promise<NewModel> => ({
      bytes: await trainer.inferenceModel(),
      card: card(this.#progress, train.validation?.metric),
    });
    const save = async () => {
      await writeCheckpoint(output, 'last', await trainer.state(), this.#progress, identity);
      this.#tell({ event: 'saved', step: this.#progress.step });
    };
    /** The number of epochs that are complete. */
    const finished = () => this.#progress.rows.filter(({ epoch }) => epoch > 0).length;
    const stopped = () => {
      this.lockLost.throwIfAborted();
      return options.signal?.aborted ?? false;
    };

    /** Ends an epoch: validation where it is due, the best model, records, and the state. */
    const endEpoch = async (epoch: number) => {
      const { open, step } = this.#progress;
      const due = epoch === 0 || epoch % (train.validation?.every ?? 1) === 0 || epoch >= train.epochs;
      let row: EpochRow = { epoch, step };
      if (open.steps > 0) {
        row = {
          ...row,
          loss: open.loss / open.steps,
          learningRate: rateAt(epoch - 1, step - 1),
          gradNorm: open.gradNorm / open.steps,
          seconds: open.seconds,
          patchesPerSecond: open.patches / open.seconds,
        };
      }
      let best = this.#progress.best;
      let { waited } = this.#progress;
      let isBest = false;
      if (validator && due) {
        const begin = performance.now();
        const { metrics, value } = await validator.run(await model(), (done) =>
          this.#tell({ event: 'validating', epoch, done, cases: validationCases.length }),
        );
        row = { ...row, metrics, validationSeconds: (performance.now() - begin) / 1000 };
        const { goal } = validator.block;
        const gain =
          best === undefined
            ? Number.POSITIVE_INFINITY
            : goal === 'max'
              ? value - best.value
              : best.value - value;
        isBest = gain > 0;
        waited = gain > (train.earlyStopping?.minDelta ?? 0) ? 0 : waited + 1;
        if (isBest) best = { epoch, step, value };
      }
      this.#progress = {
        ...this.#progress,
        open: nothing.open,
        rows: [...this.#progress.rows, row],
        best,
        waited,
      };
      if (isBest) {
        await writeModelFolder(join(output, 'model'), await model(), true);
        await writeCheckpoint(output, 'best', await trainer.state(), this.#progress, identity);
      }
      events.add(step, {
        ...(row.loss !== undefined && { 'epoch/loss': row.loss }),
        ...(row.patchesPerSecond !== undefined && { 'epoch/patches_per_second': row.patchesPerSecond }),
        ...Object.fromEntries(
          Object.entries(row.metrics ?? {}).map(([column, value]) => [`validation/${column}`, value]),
        ),
      });
      await events.flush();
      await this.#records.write(this.#progress.rows, this.#failed, train.validation?.metric);
      await save();
      this.#tell({ event: 'epoch', best: isBest, ...row });
    };

    const patience = train.earlyStopping?.patience ?? Number.POSITIVE_INFINITY;
    const untouched = this.#progress.rows.length === 0 && this.#progress.step === 0;
    if (untouched && train.validation?.atStart) await endEpoch(0);
    let next: FedBatch | undefined = first;
    let lastSave = this.#progress.step;
    while (finished() < train.epochs && this.#progress.waited < patience && !stopped()) {
      const { position, open } = this.#progress;
      if (open.steps > 0 && position.epoch > finished()) {
        await endEpoch(finished() + 1);
        lastSave = this.#progress.step;
        continue;
      }
      const begin = performance.now();
      const fed: FedBatch = next ?? (await batches.next()).value;
      next = undefined;
      if (fed.epoch > finished()) {
        // The rest of the epoch could not be used.
        this.#progress = { ...this.#progress, position: { epoch: fed.epoch, taken: 0 } };
        next = fed;
        continue;
      }
      const waited = (performance.now() - begin) / 1000;
      const { tensors } = trainingBatch(fed.cases, classes, trainer.axes);
      const learningRate = rateAt(fed.epoch, this.#progress.step);
      const { loss, gradNorm } = await trainer.step(
        { image: tensors['image'].data, label: tensors['label'].data },
        { learningRate },
      );
      if (!Number.isFinite(loss)) {
        throw new OptionError(
          `The loss became ${show(loss)} in step ${this.#progress.step + 1} (epoch ${fed.epoch + 1}). Take a smaller learning rate, ` +
            'train.clip, or a warm-up; the last state that was saved is sound.',
        );
      }
      const seconds = (performance.now() - begin) / 1000;
      const step = this.#progress.step + 1;
      const sums = this.#progress.open;
      this.#progress = {
        ...this.#progress,
        step,
        position: fed.next,
        open: {
          steps: sums.steps + 1,
          loss: sums.loss + loss,
          gradNorm: sums.gradNorm + gradNorm,
          seconds: sums.seconds + seconds,
          patches: sums.patches + fed.cases.length,
        },
      };
      events.add(step, { 'step/loss': loss, 'step/grad_norm': gradNorm, 'step/learning_rate': learningRate });
      this.#tell({
        event: 'step',
        epoch: fed.epoch + 1,
        step,
        loss,
        gradNorm,
        learningRate,
        seconds,
        waited,
      });
      if (step - lastSave >= train.saveEvery) {
        await save();
        lastSave = step;
      }
    }

    const reason = finished() >= train.epochs ? 'finished' : stopped() ? 'interrupted' : 'earlyStopping';
    if (lastSave !== this.#progress.step) await save();
    const { best, rows, step } = this.#progress;
    if (!validator && step > 0) await writeModelFolder(join(output, 'model'), await model(), true);
    await events.flush();
    const seconds = (performance.now() - start) / 1000;
    await this.#records.end({ reason, steps: step, epochs: finished(), best, seconds });
    this.#tell({
      event: 'end',
      epochs: finished(),
      steps: step,
      reason,
      ...(best &&
        train.validation && {
          best: { epoch: best.epoch, metric: train.validation.metric, value: best.value },
        }),
      seconds,
    });
    const hasModel = best !== undefined || (!validator && step > 0);
    return {
      reason,
      rows,
      best,
      failed: [...this.#failed.keys()],
      ...(hasModel && { model: join(output, 'model') }),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#trainer?.close();
  }

  /** The pipeline's steps as one operator. */
  #steps() {
    const { runtime } = this.options;
    const {
      steps,
      fusions,
      runtime: { seed },
    } = this.pipeline;
    return chain(fuseSteps(steps, fusions).map(({ id, build }) => build({ id, runtime, seed })));
  }

  /** The network to begin with, or the model to go on from. */
  async #startModel(): Promise<{ graph: Graph; axes: ModelAxes; base?: ModelFiles }> {
    const { network, model } = this.train;
    if (model === undefined) {
      const { name, options } = network as Choice;
      const fresh = networkToTrain(name, options, this.pipeline.runtime.seed);
      return { graph: fresh.model, axes: fresh.axes };
    }
    if (/\.(pt|pth)$/.test(model)) {
      if (!network) {
        throw new OptionError(
          `${model} is a PyTorch checkpoint, which holds weights alone: train.network must say what network they belong to.`,
        );
      }
      const file = resolve(model);
      const sha256 = await sha256Of(file).catch((error) => {
        throw readFault(file, error);
      });
      const loaded = await checkpointToTrain(network.name, network.options, file);
      const card = {
        name: basename(file),
        file: basename(file),
        axes: loaded.axes,
        labels: {},
        input: {},
        output: {},
      };
      return { graph: loaded.model, axes: loaded.axes, base: { file, sha256, card } };
    }
    const base = await findModel(model, this.options.modelFolders);
    const loaded = await modelToTrain(base);
    if (loaded.note) this.#tell({ event: 'warning', message: loaded.note });
    return { graph: loaded.model, axes: loaded.axes, base };
  }

  /** A name for what decides how weights come about; how long the training goes on is left out. */
  #identity(cases: readonly Case[], base: ModelFiles | undefined): string {
    const { network, loss, optimizer, schedule, batchSize, accumulate, clip, amp } = this.train;
    const { steps } = describePipeline(this.pipeline);
    const ids = cases.map(({ id }) => id);
    const { seed } = this.pipeline.runtime;
    return fingerprint(
      ids,
      steps,
      network,
      base?.sha256,
      loss,
      optimizer,
      schedule,
      batchSize,
      accumulate,
      clip,
      amp,
      seed,
    );
  }

  async #removeFormer(): Promise<void> {
    for (const name of [
      'checkpoint',
      'model',
      'tensorboard',
      'report',
      'train.csv',
      'failures.csv',
      'run.json',
    ]) {
      await rm(join(this.output, name), { recursive: true, force: true });
    }
  }
}
