import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { writeFileAside } from '../formats/files.js';
import { csvText } from '../harmless.js';
import { nameValues } from '../metrics/columns.js';
import { type Provenance, writeRunFile } from '../pipeline/runFile.js';
import { trainingPage } from '../report/training.js';
import { cell, columnsOf } from '../sinks/rows.js';
import type { CaseNotes } from './caseNotes.js';
import type { EpochRow } from './progress.js';
import { EventWriter } from './tfevents.js';

const head = [
  'epoch',
  'step',
  'loss',
  'learning_rate',
  'grad_norm',
  'seconds',
  'patches_per_second',
  'validation_seconds',
];

/** The text of train.csv: a row per epoch. */
export function trainCsv(rows: readonly EpochRow[]): string {
  const validations = rows.map(({ metrics = [] }) => nameValues(metrics));
  const columns = columnsOf(validations);
  const body = rows.map((row, i) => [
    String(row.epoch),
    String(row.step),
    cell(row.loss),
    cell(row.learningRate),
    cell(row.gradNorm),
    row.seconds?.toFixed(3) ?? '',
    row.patchesPerSecond?.toFixed(3) ?? '',
    row.validationSeconds?.toFixed(3) ?? '',
    ...columns.map((column) => cell(validations[i][column])),
  ]);
  return stringify([[...head, ...columns], ...body]);
}

/** The files that a training writes, besides TensorBoard's. Each training has another one of those. */
export function trainingFiles(output: string): string[] {
  return [
    'checkpoint/last.safetensors',
    'checkpoint/best.safetensors',
    'model/model.onnx',
    'model/metadata.json',
    'report/index.html',
    'train.csv',
    'failures.csv',
    'run.json',
  ].map((name) => join(output, name));
}

/** The name of the file for TensorBoard. */
const eventsName = /^events\.out\.tfevents\.\d+\.voxstream\.\d+$/;

/**
 * Removes the files that an earlier training left in its folder, and the folders that are empty then. Other
 * files stay.
 */
export async function removeTraining(output: string): Promise<void> {
  const events = join(output, 'tensorboard');
  const names = await readdir(events).catch(() => []);
  const own = names.filter((name) => eventsName.test(name)).map((name) => join(events, name));
  const files = [...trainingFiles(output), ...own];
  for (const file of files) await rm(file, { force: true });
  const folders = new Set([events, ...files.map((file) => dirname(file))]);
  folders.delete(output);
  for (const folder of folders) {
    await rmdir(folder).catch(() => {
      // It is missing, or holds files of others.
    });
  }
}

/** What is known of a training when it starts. */
export interface RecordedTraining {
  readonly output: string;
  /** The pipeline's name, the title of the report. */
  readonly name: string;
  /** The metric that chooses the best model, if there is a validation. */
  readonly metric?: string;
  /** Steps done by earlier runs. */
  readonly step: number;
  /** The content of run.json. */
  readonly provenance: Provenance;
}

/**
 * The files that a training leaves for people to read: `train.csv`, `failures.csv`, `run.json`, `report` and
 * `tensorboard`. All but the last are written completely or not at all.
 */
export class TrainRecords {
  readonly #events: EventWriter;

  constructor(readonly training: RecordedTraining) {
    const name = `events.out.tfevents.${Math.floor(Date.now() / 1000)}.voxstream.${process.pid}`;
    this.#events = new EventWriter(join(training.output, 'tensorboard', name), training.step);
  }

  /** Adds a step to TensorBoard's file. */
  addStep(
    step: number,
    values: { readonly loss: number; readonly gradNorm: number; readonly learningRate: number },
  ): void {
    this.#events.add(step, {
      'step/loss': values.loss,
      'step/grad_norm': values.gradNorm,
      'step/learning_rate': values.learningRate,
    });
  }

  /** Adds an epoch to TensorBoard's file. */
  addEpoch({ step, loss, patchesPerSecond, metrics = [] }: EpochRow): void {
    this.#events.add(step, {
      ...(loss !== undefined && { 'epoch/loss': loss }),
      ...(patchesPerSecond !== undefined && { 'epoch/patches_per_second': patchesPerSecond }),
      ...Object.fromEntries(
        Object.entries(nameValues(metrics)).map(([column, value]) => [`validation/${column}`, value]),
      ),
    });
  }

  /** Writes all files. */
  async write(
    rows: readonly EpochRow[],
    failures: ReadonlyMap<string, string>,
    notes: CaseNotes['all'],
  ): Promise<void> {
    const { name, metric } = this.training;
    await this.#events.flush();
    await this.#write('train.csv', trainCsv(rows));
    await this.#write(
      'failures.csv',
      stringify([['case', 'message'], ...[...failures].map((row) => row.map(csvText))]),
    );
    await this.#write(join('report', 'index.html'), trainingPage(name, rows, { metric, notes }));
    await this.#writeRun({});
  }

  /** Writes run.json with how the training ended, and the rest of TensorBoard's file. */
  async end(outcome: Provenance): Promise<void> {
    await this.#events.flush();
    await this.#writeRun(outcome);
  }

  #writeRun(outcome: Provenance): Promise<void> {
    return writeRunFile(this.training.output, this.training.provenance, outcome);
  }

  #write(name: string, content: string): Promise<void> {
    return writeFileAside(join(this.training.output, name), content);
  }
}
