import { basename, resolve } from 'node:path';
import { OptionError } from '../errors.js';
import { readFault } from '../formats/aside.js';
import { checksumOf } from '../models/checksum.js';
import { findModel, type ModelFiles } from '../models/findModel.js';
import type { ChosenNetwork, TrainBlock } from '../pipeline/trainBlock.js';
import { checkpointToTrain, modelToTrain, networkToTrain, type TrainableModel } from './trainableModel.js';

/** The model that a training starts with. */
export interface StartModel extends TrainableModel {
  /** The model that the weights come from. Undefined for a new network. */
  readonly base?: ModelFiles;
}

/**
 * The model that a train block starts with: a new network, or the weights of `train.model`.
 *
 * @param modelFolders Folders to search for the model before the package's own.
 * @throws OptionError for a checkpoint without a network; ModelError if a model cannot be read or does not
 * fit.
 */
export async function startModel(
  { network, model }: Pick<TrainBlock, 'network' | 'model'>,
  seed: number,
  modelFolders?: readonly string[],
): Promise<StartModel> {
  if (model === undefined) {
    // A train block has a network or a model.
    const { definition, options } = network as ChosenNetwork;
    return networkToTrain(definition, options, seed);
  }
  if (/\.(pt|pth)$/.test(model)) return fromCheckpoint(network, model);
  const base = await findModel(model, modelFolders);
  return { ...(await modelToTrain(base)), base };
}

async function fromCheckpoint(network: ChosenNetwork | undefined, model: string): Promise<StartModel> {
  if (!network) {
    throw new OptionError(
      `${model} is a PyTorch checkpoint, which holds only weights. Set train.network to the network that ` +
        'they belong to.',
    );
  }
  const file = resolve(model);
  const sha256 = await checksumOf(file, 'sha256').catch((error) => {
    throw readFault(file, error);
  });
  const loaded = await checkpointToTrain(network.definition, network.options, file);
  const name = basename(file);
  const card = { name, file: name, axes: loaded.axes, labels: {}, input: {}, output: {} };
  return { ...loaded, base: { file, sha256, card } };
}
