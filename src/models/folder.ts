import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelError } from '../errors.js';
import { makeFolder, partialSuffix, writeFault } from '../formats/aside.js';
import { type ModelCard, parseCard } from './card.js';
import type { ModelFiles } from './findModel.js';

/** The card of a new model, without `file` and `sha256`, which are added. */
type NewCard = Readonly<Record<string, unknown>> & { readonly name: string };

/** A model inside of another one's folder, e.g. a fold of a cross-validation. */
export interface ModelMember {
  /** The name of its folder. */
  readonly folder: string;
  readonly bytes: Uint8Array;
  readonly card: NewCard;
}

/** The content of a new model folder. */
export interface NewModel {
  /** The content of the ONNX file. */
  readonly bytes: Uint8Array;
  readonly card: NewCard;
  /** Sentences about how it was made, for the user. */
  readonly notes?: readonly string[];
}

/** The content of a new model folder that holds several models. The first one stands for all. */
export interface NewModelSet extends Omit<NewModel, 'bytes'> {
  readonly members: readonly ModelMember[];
}

/**
 * Checks that a model can be written to a folder, before the work on the model starts. The folder must be
 * missing or empty, or hold a model that `replace` allows to overwrite.
 *
 * @throws ModelError saying what the folder holds.
 */
export async function checkModelFolder(folder: string, replace: boolean): Promise<void> {
  if (!existsSync(folder)) return;
  const found = await readdir(folder).catch((error) => {
    throw writeFault(folder, error);
  });
  const isModel = found.includes('model.onnx') || found.includes('metadata.json');
  if (found.length > 0 && !isModel) {
    throw new ModelError(
      `${folder} exists and is not a model folder: it holds ` +
        `${found.slice(0, 3).join(', ')}${found.length > 3 ? ', …' : ''}. Choose another folder with -o.`,
    );
  }
  if (isModel && !replace) {
    throw new ModelError(
      `${folder} already holds a model. Give --force to replace it, or choose another folder with -o.`,
    );
  }
}

/**
 * Writes a model folder: `model.onnx` and `metadata.json`, or a folder with these for each member. It is
 * written under another name and then renamed, so it appears complete or not at all.
 *
 * @param replace Whether an existing model is replaced. Other files in its folder stay.
 * @throws ModelError as `checkModelFolder` does (without `replace`), or for an invalid card; DataError when
 * the folder cannot be written.
 */
export async function writeModelFolder(
  folder: string,
  model: NewModel | NewModelSet,
  replace = false,
): Promise<ModelFiles> {
  if (!replace) await checkModelFolder(folder, false);
  const parts = 'members' in model ? model.members : [{ ...model, folder: '' }];
  const [first] = parts;
  const file = join(first.folder, 'model.onnx');
  const sha256 = checksum(first.bytes);
  const written = { ...model.card, file, sha256 };
  const parsed: ModelCard = parseCard(written, join(folder, 'metadata.json'));
  const aside = `${folder}.${process.pid}-${randomBytes(4).toString('hex')}${partialSuffix}`;
  try {
    await makeFolder(dirname(folder));
    await mkdir(aside);
    for (const part of parts) {
      await mkdir(join(aside, part.folder), { recursive: true });
      await writeFile(join(aside, part.folder, 'model.onnx'), part.bytes, { flush: true });
      const own = { ...part.card, file: 'model.onnx', sha256: checksum(part.bytes) };
      await writeFile(join(aside, part.folder, 'metadata.json'), cardText(own), { flush: true });
    }
    if ('members' in model) await writeFile(join(aside, 'metadata.json'), cardText(written), { flush: true });
    if (existsSync(folder)) {
      const old = `${aside}.old`;
      await rename(folder, old);
      await rename(aside, folder);
      await removeModel(old, folder);
    } else {
      await rename(aside, folder);
    }
  } catch (error) {
    await rm(aside, { recursive: true, force: true }).catch(() => {});
    throw writeFault(folder, error);
  }
  return { file: join(folder, file), sha256, card: parsed };
}

function checksum(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Removes a model that was replaced. Files that do not belong to it move to the folder of the new one. */
async function removeModel(old: string, folder: string): Promise<void> {
  for (const name of await readdir(old)) {
    const from = join(old, name);
    const isMember = existsSync(join(from, 'model.onnx'));
    if (name === 'model.onnx' || name === 'metadata.json') await rm(from);
    else if (isMember) await removeModel(from, join(folder, name));
    else {
      await makeFolder(folder);
      await rename(from, join(folder, name));
    }
  }
  await rmdir(old);
}

/** Formats a card as JSON with one line per field, and short lists on one line. */
function cardText(card: object): string {
  const text = JSON.stringify(card, null, 2);
  const lists = /\[\s+([^[\]{}]{1,200}?)\s+\]/g;
  return `${text.replace(lists, (_, items: string) => `[${items.replace(/\s+/g, ' ')}]`)}\n`;
}
