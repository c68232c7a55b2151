import { hostname } from 'node:os';
import { join } from 'node:path';
import { nameValues } from '../../metrics/columns.js';
import type { TrainEvent } from '../../train/events.js';
import { EventWriter } from '../../train/tfevents.js';
import type { EndedEpoch } from '../../train/trainingLoop.js';
import type { TrainingPlan } from '../targets/trainer.js';

/**
 * Writes the files of MONAI's `TensorBoardStatsHandler`: the loss of each iteration, and metrics by epoch.
 * Their names are TensorBoard's: seconds, host, process and a number.
 */
export class Boards {
  readonly #boards: readonly {
    readonly board: TrainingPlan['boards'][number];
    readonly writer: EventWriter;
  }[];

  /** @param step The steps that earlier runs did. */
  constructor(boards: TrainingPlan['boards'], step: number) {
    const seconds = Math.floor(Date.now() / 1000);
    this.#boards = boards.map((board, i) => {
      const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${i}`;
      return { board, writer: new EventWriter(join(board.folder, name), step) };
    });
  }

  /** Keeps the loss of a step. */
  addStep({ step, loss }: Extract<TrainEvent, { event: 'step' }>): void {
    for (const { board, writer } of this.#boards) {
      if (board.of !== 'training' || board.lossTag === undefined || step % board.every !== 0) continue;
      writer.add(step, { [board.lossTag]: loss });
    }
  }

  /** Writes what was kept, and the metrics of an epoch. */
  async endEpoch({ epoch, metrics = [] }: EndedEpoch['row']): Promise<void> {
    for (const { board, writer } of this.#boards) {
      if (board.of === 'validation' && board.metrics) {
        for (const [name, value] of Object.entries(nameValues(metrics))) writer.add(epoch, { [name]: value });
      }
      await writer.flush();
    }
  }

  /** Writes what was kept. Each file is there, even if it is empty. */
  async flush(): Promise<void> {
    for (const { writer } of this.#boards) await writer.flush();
  }
}
