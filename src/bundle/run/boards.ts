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
 *
 * In MONAI each GPU has its own process, and all of them create these files, but only the first one writes
 * values. Here other devices belong to the same process, so their empty files have the numbers that follow
 * its own.
 */
export class Boards {
  readonly #boards: readonly {
    readonly board: TrainingPlan['boards'][number];
    readonly writer: EventWriter;
  }[];

  readonly #empty: readonly EventWriter[];

  /** @param devices How many devices train together. */
  constructor(boards: TrainingPlan['boards'], devices: number) {
    const seconds = Math.floor(Date.now() / 1000);
    const writer = ({ folder }: TrainingPlan['boards'][number], device: number, i: number) => {
      const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid + device}.${i}`;
      return new EventWriter(join(folder, name), 0);
    };
    this.#boards = boards.map((board, i) => ({ board, writer: writer(board, 0, i) }));
    this.#empty = Array.from({ length: devices - 1 }, (_, other) =>
      boards.map((board, i) => writer(board, other + 1, i)),
    ).flat();
  }

  /** Keeps the loss of a step. */
  addStep({ step, loss }: Extract<TrainEvent, { event: 'step' }>): void {
    for (const { board, writer } of this.#boards) {
      if (board.of !== 'training' || board.lossTag === undefined || step % board.every !== 0) continue;
      writer.add(step, { [board.lossTag]: loss });
    }
  }

  /**
   * Writes what was kept, and the metrics of an epoch.
   *
   * @param ofPatches Metrics of the training patches by name.
   */
  async endEpoch(
    { epoch, metrics = [] }: EndedEpoch['row'],
    ofPatches: ReadonlyMap<string, number> = new Map(),
  ): Promise<void> {
    const values = { validation: nameValues(metrics), training: Object.fromEntries(ofPatches) };
    for (const { board, writer } of this.#boards) {
      if (board.metrics) {
        for (const [name, value] of Object.entries(values[board.of])) writer.add(epoch, { [name]: value });
      }
      await writer.flush();
    }
  }

  /** Writes what was kept. Each file is there, even if it is empty. */
  async flush(): Promise<void> {
    for (const { writer } of this.#boards) await writer.flush();
    for (const writer of this.#empty) await writer.flush();
  }
}
