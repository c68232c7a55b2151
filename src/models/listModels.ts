import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf } from '../errors.js';
import { type ModelCard, readCard } from './card.js';
import { cachedModels, packageModels } from './findModel.js';

/** A model that can be given by name. */
export interface ListedModel {
  /** The name of its folder. */
  readonly name: string;
  readonly place: 'here' | 'package' | 'cache';
  readonly folder: string;
  /** Bytes of the ONNX file. */
  readonly size?: number;
  readonly card?: ModelCard;
  /** Why it cannot be used. */
  readonly fault?: string;
  /** True if another model of this name is found first. */
  readonly hidden: boolean;
}

/**
 * Lists the models that `findModel` finds by name, in its search order: `folders`, the package, the cache.
 * Model files are not read, so a damaged file is not noticed here.
 */
export async function listModels(folders: readonly string[]): Promise<ListedModel[]> {
  const places = [
    ...folders.map((folder) => ({ place: 'here' as const, folder })),
    { place: 'package' as const, folder: packageModels },
    { place: 'cache' as const, folder: cachedModels() },
  ].filter(({ folder }, i, all) => all.findIndex((other) => other.folder === folder) === i);
  const seen = new Set<string>();
  const models: ListedModel[] = [];
  for (const { place, folder } of places) {
    for (const name of await modelFoldersIn(folder)) {
      models.push({ ...(await look(join(folder, name))), place, hidden: seen.has(name) });
      seen.add(name);
    }
  }
  return models;
}

/** The names of the folders that look like models. */
async function modelFoldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map(({ name }) => name)
    .filter((name) => !name.includes('.partial'))
    .filter((name) => ['metadata.json', 'model.onnx'].some((file) => existsSync(join(folder, name, file))))
    .sort();
}

async function look(
  folder: string,
): Promise<Pick<ListedModel, 'name' | 'folder' | 'size' | 'card' | 'fault'>> {
  const name = basename(folder);
  try {
    const card = await readCard(folder);
    const file = join(folder, card.file);
    if (!existsSync(file)) return { name, folder, card, fault: `it has no ${card.file}` };
    return { name, folder, card, size: statSync(file).size };
  } catch (error) {
    return { name, folder, fault: messageOf(error) };
  }
}
