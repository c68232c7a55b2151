import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { writeFileAside } from '../formats/files.js';
import { type Provenance, writeRunFile } from '../pipeline/runFile.js';
import { trainingPage } from '../report/training.js';
import { cell, columnsOf } from '../sinks/rows.js';
import type { EpochRow } from './checkpoint.js';

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
  const metrics = columnsOf(rows.map((row) => row.metrics ?? {}));
  const body = rows.map((row) => [
    String(row.epoch),
    String(row.step),
    cell(row.loss),
    cell(row.learningRate),
    cell(row.gradNorm),
    row.seconds?.toFixed(3) ?? '',
    row.patchesPerSecond?.toFixed(3) ?? '',
    row.validationSeconds?.toFixed(3) ?? '',
    ...metrics.map((column) => cell(row.metrics?.[column])),
  ]);
  return stringify([[...head, ...metrics], ...body]);
}

/** What a training leaves in its folder for people to read: `train.csv`, `failures.csv`, `run.json` and `report`. */
export class TrainRecords {
  constructor(
    readonly output: string,
    readonly provenance: Provenance & {
      readonly pipeline: { readonly name?: unknown };
    },
  ) {}

  /** Writes the files anew, each whole or not at all. */
  async write(
    rows: readonly EpochRow[],
    failures: ReadonlyMap<string, string>,
    metric: string | undefined,
  ): Promise<void> {
    const failed = [...failures].map(([id, message]) => [id, message]);
    await this.#write('train.csv', trainCsv(rows));
    await this.#write('failures.csv', stringify([['case', 'message'], ...failed]));
    await this.#write(
      join('report', 'index.html'),
      trainingPage(String(this.provenance.pipeline.name), rows, metric),
    );
    await this.end({});
  }

  /** Writes run.json with how the training ended. */
  end(outcome: Provenance): Promise<void> {
    return writeRunFile(this.output, this.provenance, outcome);
  }

  #write(name: string, content: string): Promise<void> {
    return writeFileAside(join(this.output, name), content);
  }
}
