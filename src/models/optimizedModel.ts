import { readFile } from 'node:fs/promises';
import { ModelError } from '../errors.js';
import { channelBlock } from '../onnx/blockSize.js';
import { type OptimizeOptions, optimizeModel } from '../onnx/optimize.js';
import type { Vec3 } from '../volume/volume.js';
import type { ModelCard } from './card.js';
import type { ModelFiles } from './findModel.js';
import type { NewModel } from './folder.js';
import { formOptions } from './form.js';

/** What an optimized model is made for. */
export interface OptimizedFor {
  readonly target: OptimizeOptions['target'];
  /** Default: `float32`. */
  readonly precision?: NonNullable<OptimizeOptions['precision']>;
  /** The only size of windows that it will take, x first. Default: the patch on the card. */
  readonly roiSize?: Vec3;
}

interface OptimizedCard {
  readonly card: {
    readonly input: { readonly patch: Vec3 };
    readonly optimized: NonNullable<ModelCard['optimized']>;
  };
}

/** The name of a form: `NAME-webgpu-float16`. */
export function optimizedName(name: string, target: string, precision = 'float32'): string {
  return `${name}-${target}${precision === 'float32' ? '' : `-${precision}`}`;
}

/**
 * A model rewritten for a device as a model of its own, to be kept, or taken to another machine. It gives the same logits; its card
 * is the original's, with what was done to it under `optimized`.
 *
 * @throws ModelError when the model was optimized before, no window size is known, or as `optimizeModel` does.
 */
export async function optimizedModel(
  { file, sha256, card }: ModelFiles,
  { target, precision = 'float32', roiSize = card.input.patch }: OptimizedFor,
): Promise<OptimizedCard & NewModel> {
  if (card.optimized) {
    throw new ModelError(
      `${file} is a form for ${card.optimized.target} already. Name the model that it was made of.`,
    );
  }
  if (!roiSize) {
    throw new ModelError(
      `The card of ${card.name} does not say the size of its windows (input.patch), for which a model is rewritten. ` +
        'Give it with --patch, such as --patch 96,96,96.',
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
