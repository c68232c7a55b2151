import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { listNames, ModelError } from '../../errors.js';

/** A trained configuration of nnU-Net v2: `TRAINER__PLANS__CONFIGURATION` with its folds. */
export interface TrainedFolder {
  readonly folder: string;
  /** The name of the dataset's folder, if the folder lies in one. */
  readonly dataset: string | undefined;
  /** Its folds, by name: `0`, `1`, …, `all`. */
  readonly folds: readonly TrainedFold[];
  /** The name of the checkpoints. */
  readonly checkpoint: string;
}

export interface TrainedFold {
  readonly name: string;
  readonly checkpoint: string;
}

/** Which folds to use, and which of their checkpoints. */
export interface FoldChoice {
  /** Default: all numbered folds that have the checkpoint, or `all` if there are no others. */
  readonly folds?: readonly string[];
  /** Default: `checkpoint_final.pth`, or `checkpoint_best.pth` if no fold has that. */
  readonly checkpoint?: string;
}

/** The folder of a fold. */
const foldName = /^fold_(\d+|all)$/;

/** Whether a folder is a trained configuration of nnU-Net v2. */
export function isTrainedFolder(folder: string): boolean {
  return existsSync(join(folder, 'plans.json')) && existsSync(join(folder, 'dataset.json'));
}

/** The trained configuration that the folder of a fold, or a checkpoint in one, belongs to, if it is one. */
export function trainedAround(path: string): string | undefined {
  const fold = [path, dirname(path)].find((one) => foldName.test(basename(resolve(one))));
  const around = fold && dirname(fold);
  return around && isTrainedFolder(around) ? around : undefined;
}

/** The trained configurations in a folder: itself, or those inside of it, sorted by name. */
export async function findTrained(folder: string): Promise<string[]> {
  if (isTrainedFolder(folder)) return [folder];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  // Opening it says that its plans are missing.
  if (entries.some(({ name }) => foldName.test(name))) return [folder];
  const inner = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  const found = inner.filter(isTrainedFolder);
  if (found.length > 0) return found.sort();
  // A zip of nnU-Net begins with the folder of the dataset.
  const deeper = await Promise.all(
    inner.map(async (path) => {
      const names = await readdir(path, { withFileTypes: true }).catch(() => []);
      return names
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => join(path, name))
        .filter(isTrainedFolder);
    }),
  );
  return deeper.flat().sort();
}

/**
 * Finds the folds and checkpoints of a trained configuration.
 *
 * @throws ModelError saying which folds there are, if one that was asked for is missing.
 */
export async function openTrained(folder: string, choice: FoldChoice = {}): Promise<TrainedFolder> {
  if (!existsSync(folder)) throw new ModelError(`There is no folder ${folder}.`);
  const missing = ['plans.json', 'dataset.json'].filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) {
    const inner = (await findTrained(folder)).filter((one) => one !== folder);
    const advice =
      inner.length > 0
        ? `Give one of those in it: ${listNames(inner, 'or')}.`
        : 'Expected is a folder TRAINER__PLANS__CONFIGURATION with plans.json, dataset.json and ' +
          'fold_0/checkpoint_final.pth.';
    throw new ModelError(
      `${folder} has no ${listNames(missing, 'or')}, so it is not a trained model of nnU-Net v2. ${advice}`,
    );
  }
  const names = (await readdir(folder))
    .filter((name) => foldName.test(name))
    .map((name) => name.slice('fold_'.length))
    .sort((a, b) => (Number(a) || 0) - (Number(b) || 0));
  const { checkpoint = usualCheckpoint(folder, names) } = choice;
  const has = (fold: string) => existsSync(join(folder, `fold_${fold}`, checkpoint));
  const numbered = names.filter((name) => name !== 'all' && has(name));
  const folds = choice.folds ?? (numbered.length > 0 ? numbered : names.filter(has));
  const absent = folds.filter((fold) => !has(fold));
  if (absent.length > 0 || folds.length === 0) {
    const wanted = absent.map((fold) => join(folder, `fold_${fold}`, checkpoint));
    throw new ModelError(
      `${folds.length === 0 ? `${folder} has no fold with a ${checkpoint}` : `There is no ${listNames(wanted, 'or')}`}. ` +
        (names.length > 0
          ? `Its folds are: ${listNames(names)}.`
          : 'It has no folder of a fold, e.g. fold_0.'),
    );
  }
  return {
    folder,
    dataset: datasetOf(folder),
    folds: folds.map((name) => ({ name, checkpoint: join(folder, `fold_${name}`, checkpoint) })),
    checkpoint,
  };
}

function usualCheckpoint(folder: string, folds: readonly string[]): string {
  const usual = ['checkpoint_final.pth', 'checkpoint_best.pth'];
  const found = usual.find((name) => folds.some((fold) => existsSync(join(folder, `fold_${fold}`, name))));
  return found ?? usual[0];
}

function datasetOf(folder: string): string | undefined {
  const name = basename(dirname(resolve(folder)));
  return /^Dataset\d+/.test(name) ? name : undefined;
}
