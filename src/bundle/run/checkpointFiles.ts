import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCard } from '../../models/card.js';
import { isReversed } from '../../models/exportModel.js';
import { stateDictOf } from '../../onnx/builders/stateDictOf.js';
import { writeStateDict } from '../../onnx/checkpoint/writeStateDict.js';
import { readModel } from '../../onnx/modelFile.js';
import type { Tensor } from '../../onnx/tensor.js';
import type { EndedEpoch } from '../../train/trainingLoop.js';
import type { SaverTarget } from '../targets/handlers.js';
import type { NetworkTarget } from '../targets/network.js';

/** A file that a saver has written, and what it is kept by. */
interface Written {
  readonly file: string;
  readonly priority: number;
}

/** Writes the weights of a network in training where MONAI's `CheckpointSaver` does. */
export class CheckpointFiles {
  readonly #written = new Map<SaverTarget, Written[]>();

  /**
   * @param keyMetric The metric that chooses the best model.
   * @param onFile Called with each file that was written.
   */
  constructor(
    readonly savers: readonly SaverTarget[],
    readonly network: NetworkTarget,
    readonly epochs: number,
    readonly keyMetric: string | undefined,
    readonly onFile: (file: string) => void,
  ) {}

  /** Writes what is to be written after an epoch. */
  async write({ row, isBest, model }: EndedEpoch): Promise<void> {
    let weights: ReadonlyMap<string, Tensor> | undefined;
    for (const saver of this.savers) {
      const score = row.metrics?.find(({ metric }) => metric.name === this.keyMetric)?.value;
      const due = this.#due(saver, row.epoch, isBest, score);
      if (!due) continue;
      weights ??= await this.#weights(model);
      const file = join(saver.folder, saver.file ?? ignitesName(saver, row, score));
      await writeStateDict(file, weights, saver.key);
      this.onFile(file);
      await this.#forget(saver, { file, priority: saver.when === 'best' ? rank(saver, score) : row.epoch });
    }
  }

  #due(saver: SaverTarget, epoch: number, isBest: boolean, score: number | undefined): boolean {
    if (saver.when === 'end') return epoch === this.epochs;
    if (saver.when === 'epoch') return epoch > 0 && epoch % saver.interval === 0;
    const kept = this.#written.get(saver) ?? [];
    const most = saver.kept ?? 1;
    // A resumed training does not know its earlier files: the only one stays until a better model is found.
    if (score === undefined || isBest || most === 1) return isBest;
    return kept.length < most || kept.some((one) => one.priority < rank(saver, score));
  }

  async #weights(model: EndedEpoch['model']): Promise<ReadonlyMap<string, Tensor>> {
    const { bytes, card } = await model();
    const reversed = isReversed(parseCard(card, 'the card of the model in training'));
    const graph = readModel(bytes, 'the model in training');
    return stateDictOf(this.network.type, this.network.config, { graph, reversed }).tensors;
  }

  /** Removes the files that are more than a saver keeps. */
  async #forget(saver: SaverTarget, written: Written): Promise<void> {
    const others = (this.#written.get(saver) ?? []).filter(({ file }) => file !== written.file);
    const all = [...others, written].sort((a, b) => b.priority - a.priority);
    const most = saver.kept ?? all.length;
    this.#written.set(saver, all.slice(0, most));
    for (const { file } of all.slice(most)) await rm(file, { force: true });
  }
}

function rank({ lower }: SaverTarget, score: number | undefined): number {
  return (lower ? -1 : 1) * (score ?? Number.NEGATIVE_INFINITY);
}

/** The name that ignite's `Checkpoint` makes: `PREFIX_NAME_SCORE=VALUE.pt`. */
function ignitesName(
  { prefix, name, when }: SaverTarget,
  { epoch, step }: EndedEpoch['row'],
  score: number | undefined,
): string {
  const scores = {
    best: `key_metric=${(score ?? Number.NaN).toFixed(4)}`,
    end: `final_iteration=${step}`,
    epoch: `epoch=${epoch}`,
  };
  return `${prefix === '' ? '' : `${prefix}_`}${name}_${scores[when]}.pt`;
}
