import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { ModelError, messageOf, show } from '../errors.js';

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
