import { readFile } from 'node:fs/promises';
import { ModelError } from '../errors.js';
import { channelBlock } from '../onnx/blockSize.js';
import { type OptimizeOptions, optimizeModel } from '../onnx/optimize.js';
import type { Vec3 } from '../volume/volume.js';
import type { ModelCard } from './card.js';
import type { ModelFiles } from './findModel.js';
import type { NewModel } from './folder.js';
import { formOptions } from './form.js';

/** The use that a model is optimized for. */
export interface OptimizedFor {
  readonly target: OptimizeOptions['target'];
  /** Default: `float32`. */
  readonly precision?: NonNullable<OptimizeOptions['precision']>;
  /** The only window size that it will take, x first. Default: the card's patch. */
  readonly roiSize?: Vec3;
}

interface OptimizedCard {
  readonly card: {
    readonly input: { readonly patch: Vec3 };
    readonly optimized: NonNullable<ModelCard['optimized']>;
  };
}

/** The name of an optimized model, e.g. `NAME-webgpu-float16`. */
export function optimizedName(name: string, target: string, precision = 'float32'): string {
  return `${name}-${target}${precision === 'float32' ? '' : `-${precision}`}`;
}

/**
 * Rewrites a model for a device as a separate model, to keep or to copy to another machine. Its logits are
 * the original's up to rounding. Its card is the original's, with the changes under `optimized`.
 *
 * @throws ModelError when the model is already optimized, when no window size is known, or as `optimizeModel`
 * does.
 */
export async function optimizedModel(
  { file, sha256, card }: ModelFiles,
  { target, precision = 'float32', roiSize = card.input.patch }: OptimizedFor,
): Promise<OptimizedCard & NewModel> {
  if (card.optimized) {
    throw new ModelError(
      `${file} is already optimized for ${card.optimized.target}. Give the original model.`,
    );
  }
  if (!roiSize) {
    throw new ModelError(
      `A model is optimized for one window size, but the card of ${card.name} has none (input.patch). Give ` +
        'it with --patch, e.g. --patch 96,96,96.',
    );
  }
  const options: OptimizeOptions = { ...formOptions(card, roiSize, target), precision };
  const { bytes, passes, maxDifference } = await optimizeModel(await readFile(file), options, file);
  return {
    bytes,
    card: {
      ...card,
      name: optimizedName(card.name, target, precision),
      axes: passes.includes('permuteAxes') ? 'zyx' : card.axes,
      input: { ...card.input, patch: roiSize },
      optimized: {
        target,
        precision,
        original: sha256,
        passes: [...passes],
        maxDifference,
        ...(passes.includes('sliceConvs') && { channelBlock: await channelBlock() }),
      },
    },
  };
}
