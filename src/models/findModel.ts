import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPlace, isAddress } from '../address.js';
import { listNames, ModelError, nearestName } from '../errors.js';
import { cacheFolder } from '../machine.js';
import { type ModelCard, parseCard, readCard } from './card.js';
import { sha256Of } from './checksum.js';
import { readRegistry } from './registry.js';
import { bringModel } from './remoteModel.js';

/** A model on disk. */
export interface ModelFiles {
  /** The ONNX file. */
  readonly file: string;
  /** The file's SHA-256, in hexadecimal digits. */
  readonly sha256: string;
  readonly card: ModelCard;
}

/** The folder of the package's own models. */
export const packageModels = fileURLToPath(new URL('../../models', import.meta.url));

/** The folder of the package's pipelines. */
export const packagePipelines = fileURLToPath(new URL('../../pipelines', import.meta.url));

/** The folder of imported and downloaded models, where they are found by name. */
export function cachedModels(): string {
  return join(cacheFolder(), 'models');
}

/**
 * Finds a model and reads its card.
 *
 * @param given A model folder or the address of one (`s3://…`, `https://…`), an `.onnx` file (axes `xyz`,
 * labels without names), or the name of a model in
 * `folders`, in the package or in the cache.
 * @throws ModelError when there is no such model, when its card is invalid, or when the SHA-256 of its file
 * is not the card's.
 */
export async function findModel(given: string, folders: readonly string[] = []): Promise<ModelFiles> {
  const place = checkPlace(given);
  const name = isAddress(place) ? await bringModel(place) : place;
  const places = [...folders, packageModels, cachedModels()];
  // Pipelines often name a model by a path beside them, models/NAME.
  const names = [name, name.replace(/^(\.\/)?models\//, '')];
  const candidates = [resolve(name), ...names.flatMap((one) => places.map((folder) => resolve(folder, one)))];
  const found = candidates.find((path) => existsSync(path));
  if (!found) throw await missingModel(name, places);
  const kind = await stat(found);
  if (!kind.isFile() && !kind.isDirectory()) {
    throw new ModelError(`${found} is neither a model folder nor an .onnx file, but a device or a pipe.`);
  }
  if (kind.isFile()) {
    if (!found.endsWith('.onnx')) {
      throw new ModelError(
        `The model ${name} is a file, but not an .onnx file. Expected a model folder or an .onnx file.${
          /\.(pt|pth)$/.test(found) ? ' Convert a PyTorch checkpoint with "voxstream models import".' : ''
        }`,
      );
    }
    const card = parseCard({ name: basename(found, '.onnx'), file: basename(found) }, found);
    return { file: found, sha256: await sha256Of(found), card };
  }
  const card = await readCard(found);
  const file = join(found, card.file);
  if (!resolve(file).startsWith(resolve(found) + sep)) {
    throw new ModelError(
      `${join(found, 'metadata.json')}: file is "${card.file}", but it must be inside the model's folder.`,
    );
  }
  if (existsSync(file) && !(await stat(file)).isFile()) {
    throw new ModelError(
      `${file} is not a plain file, but a model must be one. Replace it by the ONNX file.`,
    );
  }
  if (!existsSync(file)) {
    throw new ModelError(
      `The model folder ${found} has no ${card.file}, but its metadata.json gives that as the model's file.`,
    );
  }
  const sha256 = await sha256Of(file);
  if (card.sha256 && card.sha256.toLowerCase() !== sha256) {
    throw new ModelError(
      `${file} is not the file that its card describes: its SHA-256 is ${sha256}, but metadata.json has ` +
        `${card.sha256}. Download the model again, or correct the card if you changed the model on purpose.`,
    );
  }
  return { file, sha256, card };
}

/** The channels of a model's output: from its card, else its file, else its labels, else two. */
export async function outputChannelsOf({ file, card }: ModelFiles): Promise<number> {
  if (card.output.channels) return card.output.channels;
  const { readModel } = await import('../onnx/modelFile.js');
  const declared = readModel(await readFile(file), file).outputs[0]?.dims[1];
  if (typeof declared === 'number' && declared > 0) return declared;
  return Math.max(1, ...Object.keys(card.labels).map(Number)) + 1;
}

async function missingModel(name: string, places: readonly string[]): Promise<ModelError> {
  const known = new Set<string>();
  for (const place of places) {
    const entries = await readdir(place, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) known.add(entry.name);
  }
  if ((await readRegistry()).has(basename(name))) {
    return new ModelError(
      `The model "${name}" is not here yet. Download it with "voxstream models pull ${basename(name)}".`,
    );
  }
  const near = nearestName(basename(name), known);
  const hint = near ? `Did you mean "${near}"? ` : '';
  return new ModelError(
    `There is no model "${name}": ${resolve(name)} does not exist, and no folder has that name in ` +
      `${listNames(places, 'or')}. ${hint}"voxstream models list" lists the models, "voxstream models ` +
      'import" converts a PyTorch checkpoint.',
  );
}

/** The folder `models` beside a pipeline file. */
export function modelsBeside(pipelineFile: string): string {
  return join(dirname(resolve(pipelineFile)), 'models');
}
