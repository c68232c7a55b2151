import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { listNames, ModelError, messageOf, nearestName, show } from '../errors.js';
import { readModel } from '../onnx/modelFile.js';
import { cacheFolder } from './cacheFolder.js';
import { readRegistry } from './modelRegistry.js';

const count = z.int().positive();

const cardSchema = z.looseObject({
  name: z.string().min(1),
  version: z.string().optional(),
  description: z.string().optional(),
  license: z.string().optional(),
  file: z.string().min(1).default('model.onnx'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i)
    .optional(),
  axes: z.enum(['xyz', 'zyx']).default('xyz'),
  labels: z.record(z.string().regex(/^\d+$/), z.string()).default({}),
  input: z
    .looseObject({
      channels: count.optional(),
      patch: z.tuple([count, count, count]).optional(),
      valueRange: z.tuple([z.number(), z.number()]).optional(),
      modality: z.string().optional(),
    })
    .default({}),
  output: z.looseObject({ channels: count.optional(), activation: z.string().optional() }).default({}),
  /** The network that the weights were trained in, by MONAI's names: `type` and its parameters. */
  network: z.looseObject({ type: z.string() }).optional(),
  training: z.looseObject({}).optional(),
  intendedUse: z.string().optional(),
  /** What `voxstream models optimize` made of another model, and for which device. It takes windows of `input.patch` only. */
  optimized: z
    .object({
      target: z.enum(['cpu', 'webgpu', 'cuda']),
      precision: z.string(),
      /** The SHA-256 of the model it was made of. */
      original: z.string(),
      passes: z.array(z.string()),
      /** The largest difference of its output from the original's, on random windows. */
      maxDifference: z.number(),
      /** For `cpu`: how many channels the processors it is for hold together. */
      channelBlock: z.number().optional(),
    })
    .optional(),
});

/** What is known of a model: `metadata.json` beside `model.onnx`. Patch in voxels, in the order x, y, z. */
export type ModelCard = z.infer<typeof cardSchema>;

/** A model on disk. */
export interface ModelFiles {
  /** The ONNX file. */
  readonly file: string;
  /** Its SHA-256, in hexadecimal digits. */
  readonly sha256: string;
  readonly card: ModelCard;
}

/** The models that come with the package. */
export const packageModels = fileURLToPath(new URL('../../models', import.meta.url));

/** Where models that were imported or fetched are kept, and found by name. */
export function cachedModels(): string {
  return join(cacheFolder(), 'models');
}

/**
 * Finds a model and reads its card. `name` is a model folder, a bare `.onnx` file (axes `xyz`, labels by number), or the
 * name of a model in one of `folders`, in the package, or in the cache. Throws ModelError when there is none, when the
 * card is faulty, or when the file is not the one the card describes.
 */
export async function findModel(name: string, folders: readonly string[] = []): Promise<ModelFiles> {
  const places = [...folders, packageModels, cachedModels()];
  // Pipelines often name a model as it would lie beside them: models/NAME.
  const names = [name, name.replace(/^(\.\/)?models\//, '')];
  const candidates = [resolve(name), ...names.flatMap((one) => places.map((folder) => resolve(folder, one)))];
  const found = candidates.find((path) => existsSync(path));
  if (!found) throw await missingModel(name, places);
  if ((await stat(found)).isFile()) {
    if (!found.endsWith('.onnx')) {
      throw new ModelError(
        `The model ${name} is a file, but not an .onnx file; expected a model folder or ONNX file.${
          /\.(pt|pth)$/.test(found) ? ' Convert a PyTorch checkpoint with "voxstream models import".' : ''
        }`,
      );
    }
    const card = cardSchema.parse({ name: basename(found, '.onnx'), file: basename(found) });
    return { file: found, sha256: await sha256Of(found), card };
  }
  const card = await readCard(found);
  const file = join(found, card.file);
  if (!resolve(file).startsWith(resolve(found) + sep)) {
    throw new ModelError(
      `${join(found, 'metadata.json')}: file is "${card.file}", which leaves the model's folder.`,
    );
  }
  if (!existsSync(file)) {
    throw new ModelError(
      `The model folder ${found} has no ${card.file}, which its metadata.json names as the model.`,
    );
  }
  const sha256 = await sha256Of(file);
  if (card.sha256 && card.sha256.toLowerCase() !== sha256) {
    throw new ModelError(
      `${file} is not the file its card describes: its SHA-256 is ${sha256}, but metadata.json says ${card.sha256}. ` +
        'Fetch the model again, or correct the card if you changed the model on purpose.',
    );
  }
  return { file, sha256, card };
}

/** The channels of a model's output, as its card says, else its file, else its labels; two where none does. */
export async function outputChannelsOf({ file, card }: ModelFiles): Promise<number> {
  if (card.output.channels) return card.output.channels;
  const stated = readModel(await readFile(file), file).outputs[0]?.dims[1];
  if (typeof stated === 'number' && stated > 0) return stated;
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
      `There is no model "${name}" here yet. Fetch it with "voxstream models pull ${basename(name)}".`,
    );
  }
  const near = nearestName(basename(name), known);
  return new ModelError(
    `There is no model "${name}": neither ${resolve(name)} exists nor is there such a folder in ` +
      `${listNames(places, 'or')}. ${near ? `Did you mean "${near}"? ` : ''}"voxstream models list" shows what there ` +
      'is, "voxstream models import" converts a PyTorch checkpoint.',
  );
}

/** The card of a model folder; one with the folder's name where it has a model and no card. Throws ModelError. */
export async function readCard(folder: string): Promise<ModelCard> {
  const path = join(folder, 'metadata.json');
  if (!existsSync(path)) {
    if (existsSync(join(folder, 'model.onnx'))) return cardSchema.parse({ name: basename(folder) });
    throw new ModelError(
      `The model folder ${folder} has neither metadata.json nor model.onnx, so it is no model. ` +
        'Expected a folder such as "voxstream models import" makes.',
    );
  }
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ModelError(`${path} is not readable JSON: ${messageOf(error)}.`);
  }
  return parseCard(content, path);
}

/** A model card out of the content of its file. Throws ModelError naming every field that is wrong. */
export function parseCard(content: unknown, path: string): ModelCard {
  const parsed = cardSchema.safeParse(content, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new ModelError(
    parsed.error.issues
      .map(
        (issue) =>
          `${path}: ${issue.path.join('.') || 'the card'} is ${show(issue.input)}: ${issue.message}.`,
      )
      .join('\n'),
  );
}

/** The SHA-256 of a file, in hexadecimal digits. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file);
  try {
    const piece = Buffer.alloc(1 << 20);
    for (;;) {
      const { bytesRead } = await handle.read(piece);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

/** The folder `models` beside a pipeline file. */
export function modelsBeside(pipelineFile: string): string {
  return join(dirname(resolve(pipelineFile)), 'models');
}
