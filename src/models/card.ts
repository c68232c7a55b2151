import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { ModelError, messageOf } from '../errors.js';
import { sayIssue } from '../options.js';
import { codeType } from '../optionTypes.js';
import { axcodesFault } from '../volume/orientation.js';
import { nnunetCard } from './nnunet/card.js';

const count = z.int().positive();

/** A step as a pipeline file writes it: a name, or a name and options. */
const preprocessingStep = z.union([
  z.string().min(1),
  z
    .record(z.string(), z.record(z.string(), z.unknown()).nullable())
    .refine((step) => Object.keys(step).length === 1, { error: 'it must have one name' }),
]);

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
  /** The order of axes of the network's PyTorch class, if it is not `axes`. */
  weightAxes: z.enum(['xyz', 'zyx']).optional(),
  labels: z.record(z.string().regex(/^\d+$/), z.string()).default({}),
  /** Codes of labels by name, for DICOM segmentations: SNOMED CT unless `scheme` says otherwise. */
  codes: z.record(z.string(), codeType).optional(),
  input: z
    .looseObject({
      channels: count.optional(),
      patch: z.tuple([count, count, count]).optional(),
      valueRange: z.tuple([z.number(), z.number()]).optional(),
      modality: z.string().optional(),
      /** Voxel size in mm of the volumes that the model takes. */
      spacing: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).optional(),
      /** The side each voxel axis of these volumes points to, e.g. `RAS`. */
      axcodes: z
        .string()
        .refine((text) => axcodesFault(text) === undefined, {
          error: 'it must hold one letter of each pair L/R, P/A and I/S, e.g. RAS',
        })
        .optional(),
      /** The steps from a file to the model's input, as a pipeline file writes them. */
      preprocessing: z.array(preprocessingStep).optional(),
    })
    .default({}),
  output: z.looseObject({ channels: count.optional(), activation: z.string().optional() }).default({}),
  /** The network of the weights: `type` and parameters, under MONAI's names. */
  network: z.looseObject({ type: z.string() }).optional(),
  training: z.looseObject({}).optional(),
  intendedUse: z.string().optional(),
  /** What nnU-Net does around the network, for models that it trained. */
  nnunet: nnunetCard.optional(),
  /** Set by `voxstream models optimize`. Such a model takes only windows of `input.patch`. */
  optimized: z
    .object({
      target: z.enum(['cpu', 'webgpu', 'cuda']),
      precision: z.string(),
      /** The SHA-256 of the original model. */
      original: z.string(),
      passes: z.array(z.string()),
      /** The largest difference from the original's output, on random windows. */
      maxDifference: z.number(),
      /** For `cpu`: how many channels a block has on the processors that it is for. */
      channelBlock: z.number().optional(),
    })
    .optional(),
});

/**
 * The description of a model: `metadata.json` beside `model.onnx`. The patch is in voxels, in the order x, y,
 * z.
 */
export type ModelCard = z.infer<typeof cardSchema>;

/** Reads the card of a model folder. A folder with a model and no card gets a card with the folder's name. */
export async function readCard(folder: string): Promise<ModelCard> {
  const path = join(folder, 'metadata.json');
  if (!existsSync(path)) {
    if (existsSync(join(folder, 'model.onnx'))) return cardSchema.parse({ name: basename(folder) });
    throw new ModelError(
      `The folder ${folder} is not a model: it has neither metadata.json nor model.onnx. Expected a folder ` +
        'as written by "voxstream models import".',
    );
  }
  if (!(await stat(path)).isFile()) throw new ModelError(`${path} is not a plain file.`);
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ModelError(`${path} is not valid JSON: ${messageOf(error)}.`, { cause: error });
  }
  return parseCard(content, path);
}

/** Checks the content of a card's file. Throws ModelError naming every wrong field. */
export function parseCard(content: unknown, path: string): ModelCard {
  const parsed = cardSchema.safeParse(content, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new ModelError(
    parsed.error.issues.map((issue) => `${path}: ${sayIssue(issue, 'the card')}.`).join('\n'),
  );
}
