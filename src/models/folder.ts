import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelError } from '../errors.js';
import { partialSuffix, writeFault } from '../formats/aside.js';
import { type ModelCard, parseCard } from './card.js';
import type { ModelFiles } from './findModel.js';

/** What goes into a model's folder. */
export interface NewModel {
  /** The ONNX file's content. */
  readonly bytes: Uint8Array;
  /** The card; `file` and `sha256` are filled in. */
  readonly card: Readonly<Record<string, unknown>> & { readonly name: string };
  /** Sentences about how it was made, for the user. */
  readonly notes?: readonly string[];
}

/**
 * Refuses a folder that a model cannot be written to: one that exists, unless `replace` is given and there is nothing in it
 * but a model. For those who want to know before they work on the model.
 *
 * @throws ModelError saying what is in the way.
 */
export async function checkModelFolder(folder: string, replace: boolean): Promise<void> {
  if (!existsSync(folder)) return;
  const found = await readdir(folder).catch((error) => {
    throw writeFault(folder, error);
  });
  const isModel = found.includes('model.onnx') || found.includes('metadata.json');
  if (found.length > 0 && !isModel) {
    throw new ModelError(
      `${folder} exists and is no model folder: it holds ${found.slice(0, 3).join(', ')}${found.length > 3 ? ', …' : ''}. ` +
        'Choose another folder with -o.',
    );
  }
  if (isModel && !replace) {
    throw new ModelError(
      `${folder} holds a model already. Give --force to replace it, or choose another folder with -o.`,
    );
  }
}

/**
 * Writes a model folder, `model.onnx` and `metadata.json`, so that it appears whole or not at all: it is filled aside and then
 * renamed.
 *
 * @param replace Whether a model that is there already gives way.
 * @throws ModelError as `checkModelFolder` does, or for a card that is faulty; DataError when the folder cannot be written.
 */
export async function writeModelFolder(
  folder: string,
  { bytes, card }: NewModel,
  replace = false,
): Promise<ModelFiles> {
  await checkModelFolder(folder, replace);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const written = { ...card, file: 'model.onnx', sha256 };
  const parsed: ModelCard = parseCard(written, join(folder, 'metadata.json'));
  const aside = `${folder}.${process.pid}-${randomBytes(4).toString('hex')}${partialSuffix}`;
  try {
    await mkdir(dirname(folder), { recursive: true });
    await mkdir(aside);
    await writeFile(join(aside, 'model.onnx'), bytes, { flush: true });
    await writeFile(join(aside, 'metadata.json'), cardText(written), { flush: true });
    if (existsSync(folder)) {
      const former = `${aside}.former`;
      await rename(folder, former);
      await rename(aside, folder);
      await rm(former, { recursive: true, force: true });
    } else {
      await rename(aside, folder);
    }
  } catch (error) {
    await rm(aside, { recursive: true, force: true }).catch(() => {});
    throw writeFault(folder, error);
  }
  return { file: join(folder, 'model.onnx'), sha256, card: parsed };
}

/** A card as its file has it: JSON with a line per field, and short lists on one line. */
function cardText(card: object): string {
  const text = JSON.stringify(card, null, 2);
  const lists = /\[\s+([^[\]{}]{1,200}?)\s+\]/g;
  return `${text.replace(lists, (_, items: string) => `[${items.replace(/\s+/g, ' ')}]`)}\n`;
}
