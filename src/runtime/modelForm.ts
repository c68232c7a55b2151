import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { writeAside } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { channelBlock } from '../onnx/blockSize.js';
import { type OptimizeOptions, optimizeModel } from '../onnx/optimize.js';
import type { Vec3 } from '../volume/volume.js';
import type { ModelAxes } from '../volume/windows.js';
import { cacheFolder, type ModelFiles } from './models.js';

/** How a model will be used: what lets it be rewritten for that use. */
export interface ModelForm {
  /** The size of all windows, x first. Default: the patch on the card; without either the model runs as it is. */
  readonly roiSize?: Vec3;
  /** What follows looks only at the differences between channels, as softmax and argmax do. Default: false. */
  readonly onlyDifferences?: boolean;
}

/** A model's file as it is run. */
export interface RunnableModel {
  readonly file: string;
  /** The order of axes that this file reads, which need not be the card's. */
  readonly axes: ModelAxes;
  /** True when the output is one channel d that stands for the two logits (0, d). */
  readonly difference: boolean;
  /** Why the model runs as it is although it could have been rewritten. */
  readonly warning?: string;
}

/** What is noted beside a rewritten model. */
interface RewrittenCard {
  readonly original: string;
  readonly passes: readonly string[];
  /** The largest difference of its output from the original's, on random windows. */
  readonly maxDifference: number;
  readonly axes: ModelAxes;
  readonly difference: boolean;
}

/** Raised when the passes change what they make, so that older rewritten models are not used. */
const revision = 1;

/** A rewritten model that is further from the original than this on random windows is not used. */
const mostDifference = 1e-3;

/**
 * The form of a model that is fastest on a device, rewritten once and kept in the cache folder, keyed by the model's SHA-256 and
 * the use. A model that cannot be rewritten is run as it is.
 */
export async function runnableModel(
  { file, sha256, card }: ModelFiles,
  { roiSize = card.input.patch, onlyDifferences = false }: ModelForm,
  provider: string,
): Promise<RunnableModel> {
  const original: RunnableModel = { file, axes: card.axes, difference: false };
  if (!roiSize?.every((n) => n > 0)) return original;
  const options: OptimizeOptions = {
    target: provider === 'cpu' || provider === 'webgpu' ? provider : 'cuda',
    roiSize: card.axes === 'xyz' ? [...roiSize] : [roiSize[2], roiSize[1], roiSize[0]],
    axes: card.axes === 'xyz' ? 'reverse' : 'keep',
    head: onlyDifferences ? 'difference' : 'logits',
  };
  const block = options.target === 'cpu' ? await channelBlock() : 0;
  const key = createHash('sha256')
    .update(JSON.stringify([sha256, options, block, revision]))
    .digest('hex');
  for (const folder of [join(cacheFolder(), 'rewritten'), join(tmpdir(), 'voxstream-rewritten')]) {
    const path = join(folder, `${key.slice(0, 32)}.onnx`);
    try {
      const made = existsSync(path) ? await readCard(path) : await rewrite(file, sha256, options, path);
      if (made.maxDifference > mostDifference) {
        const warning = `${card.name} runs as it is: rewritten for ${provider} its output differs by ${made.maxDifference}.`;
        return { ...original, warning };
      }
      return { file: path, axes: made.axes, difference: made.difference };
    } catch (error) {
      if (error instanceof Unwritable) continue;
      return {
        ...original,
        warning: `${card.name} runs as it is, for it cannot be rewritten: ${messageOf(error)}`,
      };
    }
  }
  return {
    ...original,
    warning: `${card.name} runs as it is: neither the cache folder nor ${tmpdir()} can be written.`,
  };
}

async function rewrite(
  file: string,
  sha256: string,
  options: OptimizeOptions,
  path: string,
): Promise<RewrittenCard> {
  const { bytes, passes, maxDifference } = await optimizeModel(await readFile(file), options, file);
  const reversed = passes.includes('permuteAxes');
  const card: RewrittenCard = {
    original: sha256,
    passes,
    maxDifference,
    axes: options.axes === 'reverse' && !reversed ? 'xyz' : 'zyx',
    difference: passes.includes('twoClassHead'),
  };
  // The card first: a model in its place always has one.
  await writeFileAside(cardOf(path), `${JSON.stringify(card, null, 2)}\n`).catch(unwritable);
  await writeAside(path, (temporary) => writeFile(temporary, bytes)).catch(unwritable);
  return card;
}

const cardOf = (path: string) => path.replace(/\.onnx$/, '.json');

async function readCard(path: string): Promise<RewrittenCard> {
  return JSON.parse(await readFile(cardOf(path), 'utf8'));
}

/** The folder cannot be written; another may do. */
class Unwritable extends Error {}

function unwritable(error: unknown): never {
  throw new Unwritable(messageOf(error));
}
