import { join } from 'node:path';
import type { Case } from '../case.js';
import { OptionError, show } from '../errors.js';
import { nameValues } from '../metrics/columns.js';
import { valuesToJson } from '../metrics/valuesAsJson.js';
import { type NewModel, writeModelFolder } from '../models/folder.js';
import type { TrainBlock } from '../pipeline/trainBlock.js';
import type { CaseNotes } from './caseNotes.js';
import { writeCheckpoint } from './checkpoint.js';
import type { TrainEvent } from './events.js';
import type { FailedCases } from './failedCases.js';
import { type FedBatch, trainingBatch } from './feed.js';
import { withPredictions } from './predictions.js';
import type { PreparedTraining } from './prepareTraining.js';
import {
  afterEpoch,
  afterStep,
  afterValidation,
  type EpochRow,
  epochIsOver,
  epochsDone,
  type Progress,
  rowOf,
} from './progress.js';
import type { TrainRecords } from './records.js';
import type { ModelValidator } from './validate.js';

/** Why a training ended. */
export type EndReason = 'finished' | 'earlyStopping' | 'interrupted';

/** An epoch of a training that has just ended. Epoch 0 is the validation before the first step. */
export interface EndedEpoch {
  readonly row: EpochRow;
  /** Whether the validation found the best model so far. */
  readonly isBest: boolean;
  /** The model as it is now. */
  readonly model: () => Promise<NewModel>;
}

/** A step that has just been done. */
export interface DoneStep {
  /** From 1. */
  readonly epoch: number;
  /** The patches, each with the model's output before the step as the volume `pred`. */
  readonly cases: readonly Case[];
}

/** What the loop of a training works with. */
export interface LoopParts {
  readonly output: string;
  readonly train: TrainBlock;
  readonly prepared: PreparedTraining;
  readonly validator?: ModelValidator;
  readonly records: TrainRecords;
  readonly failed: FailedCases;
  readonly notes: CaseNotes;
  /** The learning rate at an epoch and a step, both from 0. */
  readonly rateAt: (epoch: number, step: number) => number;
  /** The trained model's card. */
  readonly card: (progress: Progress) => NewModel['card'];
  /**
   * Called before each step and validation. True ends the training and saves its state; an error ends it at
   * once.
   */
  readonly stopped: () => boolean;
  /** Called when the state of the training is saved. The training waits for it. */
  readonly onSaved: () => Promise<void>;
  readonly onEvent: (event: TrainEvent) => void;
  /** Called after each epoch. The training waits for it. */
  readonly afterEpoch?: (epoch: EndedEpoch) => Promise<void>;
  /** Called after each step. The training waits for it. */
  readonly afterStep?: (step: DoneStep) => Promise<void>;
}

/** The epochs and steps of a training, from wherever its progress is. */
export class TrainingLoop {
  #progress: Progress;
  /** A batch that was prepared and not used yet. */
  #next: FedBatch | undefined;
  /** The step of the last save. */
  #saved: number;

  constructor(readonly parts: LoopParts) {
    this.#progress = parts.prepared.progress;
    this.#saved = this.#progress.step;
    this.#next = parts.prepared.first;
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Trains until the epochs are done, early stopping says so, or the training is stopped. */
  async run(): Promise<EndReason> {
    const { train } = this.parts;
    const isNew = this.#progress.rows.length === 0 && this.#progress.step === 0;
    if (isNew && train.validation?.atStart) await this.#endEpoch(0);
    const patience = train.earlyStopping?.patience ?? Number.POSITIVE_INFINITY;
    let reason: EndReason | undefined;
    while (!reason) {
      if (epochsDone(this.#progress) >= train.epochs) reason = 'finished';
      else if (this.#progress.waited >= patience) reason = 'earlyStopping';
      else if (this.parts.stopped()) reason = 'interrupted';
      else if (epochIsOver(this.#progress)) await this.#endEpoch(epochsDone(this.#progress) + 1);
      else await this.#step();
    }
    if (this.#saved !== this.#progress.step) await this.#save();
    if (!this.parts.validator && this.#progress.step > 0) await this.#writeModel();
    return reason;
  }

  /** One step on the next batch. */
  async #step(): Promise<void> {
    const { train, prepared, records, rateAt, onEvent } = this.parts;
    const begin = performance.now();
    const fed: FedBatch = this.#next ?? (await prepared.batches.next()).value;
    this.#next = undefined;
    if (fed.epoch > epochsDone(this.#progress)) {
      // None of the epoch's remaining cases could be used.
      this.#progress = { ...this.#progress, position: { epoch: fed.epoch, taken: 0 } };
      this.#next = fed;
      return;
    }
    const waited = (performance.now() - begin) / 1000;
    const { tensors } = trainingBatch(fed.cases, prepared.classes, prepared.trainer.axes);
    const learningRate = rateAt(fed.epoch, this.#progress.step);
    const { loss, gradNorm, logits } = await prepared.trainer.step(
      { image: tensors['image'].data, label: tensors['label'].data },
      { learningRate },
    );
    if (!Number.isFinite(loss)) {
      throw new OptionError(
        `The loss became ${show(loss)} in step ${this.#progress.step + 1} (epoch ${fed.epoch + 1}). Try a ` +
          'smaller learning rate, train.clip or a warm-up. The last saved state is intact.',
      );
    }
    const seconds = (performance.now() - begin) / 1000;
    const done = { loss, gradNorm, seconds, patches: fed.cases.length };
    this.#progress = afterStep(this.#progress, fed.next, done);
    const { step } = this.#progress;
    records.addStep(step, { loss, gradNorm, learningRate });
    onEvent({ event: 'step', epoch: fed.epoch + 1, step, loss, gradNorm, learningRate, seconds, waited });
    if (logits) {
      const cases = withPredictions(fed.cases, logits, prepared.trainer.axes);
      await this.parts.afterStep?.({ epoch: fed.epoch + 1, cases });
    }
    if (step - this.#saved >= train.saveEvery) await this.#save();
  }

  /** Ends an epoch: validates if it is time to, keeps the best model, and saves records and state. */
  async #endEpoch(epoch: number): Promise<void> {
    const { train, output, prepared, records, failed, notes, rateAt, onEvent } = this.parts;
    let row = rowOf(this.#progress, epoch, rateAt);
    let isBest = false;
    if (epoch === 0 || epoch % (train.validation?.every ?? 1) === 0 || epoch >= train.epochs) {
      const validated = await this.#validate(row);
      row = validated.row;
      isBest = validated.isBest;
    }
    this.#progress = afterEpoch(this.#progress, row);
    if (isBest) {
      await this.#writeModel();
      await writeCheckpoint(
        output,
        'best',
        await prepared.trainer.state(),
        this.#progress,
        prepared.identity,
      );
    }
    records.addEpoch(row);
    await records.write(this.#progress.rows, failed.messages, notes.all);
    await this.#save();
    const { metrics, ...others } = row;
    const named = metrics && { metrics: valuesToJson(nameValues(metrics)) };
    onEvent({ event: 'epoch', best: isBest, ...others, ...named });
    await this.parts.afterEpoch?.({ row, isBest, model: () => this.#model() });
  }

  /** Validates the model, where the training has a validation, and notes whether it is the best one. */
  async #validate(row: EpochRow): Promise<{ readonly row: EpochRow; readonly isBest: boolean }> {
    const { train, validator, prepared, onEvent } = this.parts;
    if (!validator) return { row, isBest: false };
    const begin = performance.now();
    const { epoch } = row;
    const { metrics, value } = await validator.run(await this.#model(), (done) =>
      onEvent({ event: 'validating', epoch, done, cases: prepared.validationCases.length }),
    );
    const { progress, isBest } = afterValidation(
      this.#progress,
      { epoch, value },
      validator.goal,
      train.earlyStopping?.minDelta ?? 0,
    );
    this.#progress = progress;
    return { row: { ...row, metrics, validationSeconds: (performance.now() - begin) / 1000 }, isBest };
  }

  async #model(): Promise<NewModel> {
    const { prepared, card } = this.parts;
    return { bytes: await prepared.trainer.inferenceModel(), card: card(this.#progress) };
  }

  async #writeModel(): Promise<void> {
    await writeModelFolder(join(this.parts.output, 'model'), await this.#model(), true);
  }

  async #save(): Promise<void> {
    const { output, prepared, onEvent, onSaved } = this.parts;
    await writeCheckpoint(output, 'last', await prepared.trainer.state(), this.#progress, prepared.identity);
    await onSaved();
    this.#saved = this.#progress.step;
    onEvent({ event: 'saved', step: this.#progress.step });
  }
}
