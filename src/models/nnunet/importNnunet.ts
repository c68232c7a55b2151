import { basename, join, resolve } from 'node:path';
import { ModelError, messageOf, show, VoxError } from '../../errors.js';
import { networkFromCheckpoint } from '../../onnx/builders/networkFromCheckpoint.js';
import { writeModel } from '../../onnx/modelFile.js';
import { checksumOf } from '../checksum.js';
import type { ModelMember, NewModelSet } from '../folder.js';
import { type CardFields, tryModel } from '../importModel.js';
import type { NnunetCard } from './card.js';
import { checkpointFacts } from './checkpointFacts.js';
import { type NnunetPlan, readPlan } from './plans.js';
import { networkInput } from './preprocessing.js';
import { readPythonJson } from './pythonJson.js';
import { type FoldChoice, openTrained, type TrainedFolder } from './trainedFolder.js';
import { followsPlans } from './trainers.js';

/** A trained configuration of nnU-Net, read but without its weights. */
export interface OpenedNnunet {
  readonly trained: TrainedFolder;
  readonly plan: NnunetPlan;
  /** The card, without the folds. */
  readonly card: CardFields;
}

/**
 * Reads the plans of a trained configuration of nnU-Net v2 (`TRAINER__PLANS__CONFIGURATION`) and the facts in
 * its first checkpoint.
 *
 * @throws ModelError when the folder is not one, or the plan asks for something that is not known here.
 */
export async function openNnunet(folder: string, choice: FoldChoice = {}): Promise<OpenedNnunet> {
  const trained = await openTrained(folder, choice);
  const [plans, dataset] = await Promise.all(
    ['plans.json', 'dataset.json'].map((name) => readPythonJson(join(folder, name))),
  );
  const facts = await checkpointFacts(trained.folds[0].checkpoint);
  const plan = readPlan({ plans, dataset }, facts, folder);
  const name = trained.dataset ?? plan.dataset ?? basename(resolve(folder));
  return {
    trained,
    plan,
    card: {
      name: `${name}_${plan.card.configuration}`,
      description: `${name}, ${plan.card.configuration}, trained with nnU-Net v2 (${facts.trainer}, ${plan.card.plans}).`,
      axes: 'zyx',
      labels: plan.labels.names,
      input: { channels: plan.card.channels.length, patch: plan.patch, ...networkInput(plan.card) },
      output: { channels: plan.labels.outputs, activation: plan.labels.regions ? 'sigmoid' : 'softmax' },
    },
  };
}

/**
 * Opens several trained configurations, as `openNnunet`. Those of the same dataset and configuration, e.g. by
 * two trainers, also have the names of their folders in their names.
 */
export async function openEach(
  folders: readonly string[],
  choice: FoldChoice = {},
): Promise<readonly OpenedNnunet[]> {
  const all = await Promise.all(folders.map((folder) => openNnunet(folder, choice)));
  const isRepeated = (name: string) => all.filter(({ card }) => card.name === name).length > 1;
  return all.map((one, i) => {
    const { name } = one.card;
    return isRepeated(name)
      ? { ...one, card: { ...one.card, name: `${name}_${basename(folders[i])}` } }
      : one;
  });
}

/**
 * Makes a model of a trained configuration: a model folder for each fold, inside of one whose card says what
 * nnU-Net does around the network. The first fold is run once.
 *
 * @param card The card that `openNnunet` gave, or one with more fields.
 * @throws ModelError when a checkpoint cannot be read, or does not fit the plan.
 */
export async function importNnunet({ trained, plan }: OpenedNnunet, card: CardFields): Promise<NewModelSet> {
  const members: ModelMember[] = [];
  const { trainer } = plan.card;
  const notes = followsPlans(trainer)
    ? []
    : [
        `voxstream does not know the trainer ${show(trainer)}. If it builds another network than the plans describe, ` +
          'e.g. with another activation, segmentations are wrong.',
      ];
  for (const { name, checkpoint } of trained.folds) {
    const folder = `fold_${name}`;
    const { type, config } = plan.network;
    const built = await networkFromCheckpoint(type, config, checkpoint).catch((error) => {
      if (!(error instanceof VoxError)) throw error;
      throw new ModelError(
        `${checkpoint} does not fit the configuration ${show(plan.card.configuration)} of ${join(trained.folder, 'plans.json')}. ` +
          `Either the plans are not those of its training, or its trainer ${show(trainer)} builds a ` +
          `network that plans do not describe, which cannot be imported.\n${messageOf(error)}`,
        { cause: error },
      );
    });
    const bytes = writeModel(built.graph);
    const fields = { ...card, name: `${card.name}/${folder}` };
    if (members.length === 0) await tryModel(bytes, fields, checkpoint);
    const source = {
      file: `${folder}/${basename(checkpoint)}`,
      sha256: await checksumOf(checkpoint, 'sha256'),
    };
    // A fold is also a model of nnU-Net by itself.
    const nnunet: NnunetCard = { ...plan.card, folds: [{ name, folder: '.' }] };
    members.push({ folder, bytes, card: { ...fields, network: { type, ...config }, source, nnunet } });
    for (const note of built.notes) if (!/network_weights/.test(note)) notes.push(`${folder}: ${note}`);
  }
  const nnunet: NnunetCard = {
    ...plan.card,
    folds: trained.folds.map(({ name }) => ({ name, folder: `fold_${name}` })),
  };
  return { members, card: { ...card, network: members[0].card['network'], nnunet }, notes };
}
