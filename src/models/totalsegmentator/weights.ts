import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { listNames, ModelError } from '../../errors.js';
import { cacheFolder } from '../../machine.js';
import type { TotalsegFacts } from './facts.js';
import type { PlannedModel, TotalsegPlan } from './plan.js';

/** What names of models begin with that `models pull` takes for tasks of TotalSegmentator. */
export const pullPrefix = 'totalsegmentator_';

/** The folder of weights that voxstream downloads. */
export function ownWeights(): string {
  return join(cacheFolder(), 'totalsegmentator');
}

/**
 * Where weights are looked for: the given folder, or else the cache and where TotalSegmentator itself keeps
 * them.
 */
export function weightFolders(given: string | undefined): string[] {
  if (given !== undefined) return [given];
  const { TOTALSEG_WEIGHTS_PATH: path, TOTALSEG_HOME_DIR: home } = process.env;
  return [
    ownWeights(),
    ...(path ? [path] : []),
    join(home ?? join(homedir(), '.totalsegmentator'), 'nnunet', 'results'),
  ];
}

/** All models of a plan, those of its rough segmentations first, each dataset once. */
export function modelsOf({ models, crop }: TotalsegPlan): PlannedModel[] {
  const all = [...(crop ? modelsOf(crop.rough) : []), ...models];
  return all.filter((one, i) => all.findIndex(({ dataset }) => dataset === one.dataset) === i);
}

/**
 * Imports the models of a plan into the cache, unless they are there. Returns their model folders by dataset.
 *
 * @param folders Where to look for the folders of datasets, `Dataset297_…`.
 * @param onBuild Called before a model is imported, which can take a minute.
 * @throws ModelError saying what is missing, where it was looked for, and how to get it.
 */
export async function importPlan(
  plan: TotalsegPlan,
  facts: TotalsegFacts,
  folders: readonly string[],
  onBuild: (name: string) => void = () => {},
): Promise<ReadonlyMap<number, string>> {
  const wanted = modelsOf(plan);
  const found = await Promise.all(wanted.map((model) => findDataset(model.dataset, folders)));
  const missing = wanted.filter((_, i) => found[i] === undefined);
  if (missing.length > 0) throw missingWeights(plan, missing, facts, folders);
  const { cachedNnunet } = await import('../nnunet/cachedModel.js');
  const imported = new Map<number, string>();
  for (const [i, model] of wanted.entries()) {
    const trained = await trainedFolderIn(found[i] as string, model);
    const folds = model.folds?.map(String);
    const { folder } = await cachedNnunet(trained, { ...(folds && { folds }) }, { onBuild });
    imported.set(model.dataset, folder);
  }
  return imported;
}

/** The folder of a dataset, by its number. */
export async function findDataset(dataset: number, folders: readonly string[]): Promise<string | undefined> {
  const prefix = `Dataset${String(dataset).padStart(3, '0')}_`;
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    const name = names.sort().find((one) => one.startsWith(prefix));
    if (name !== undefined) return join(folder, name);
  }
  return undefined;
}

async function trainedFolderIn(
  folder: string,
  { trainer, plans, configuration }: PlannedModel,
): Promise<string> {
  const name = `${trainer}__${plans}__${configuration}`;
  if (existsSync(join(folder, name))) return join(folder, name);
  const others = (await readdir(folder)).filter((one) => one.includes('__'));
  throw new ModelError(
    `${folder} has no ${name}, which TotalSegmentator uses. It has ${others.length > 0 ? listNames(others) : 'no trained model'}. ` +
      'The weights are of another version; download them again.',
  );
}

function missingWeights(
  plan: TotalsegPlan,
  missing: readonly PlannedModel[],
  facts: TotalsegFacts,
  folders: readonly string[],
): ModelError {
  const names = missing.map(({ dataset }) => facts.weights[dataset]?.folder ?? `Dataset${dataset}_…`);
  const absent = folders.filter((folder) => !existsSync(folder));
  const places =
    folders.length === 1 && absent.length === 1
      ? `${folders[0]} does not exist`
      : `they are not in ${listNames(folders, 'or')}`;
  const licensed = missing.filter(({ dataset }) => facts.weights[dataset]?.version === undefined);
  const pulls = [
    ...new Set(missing.map(({ dataset }) => `"voxstream models pull ${pullNameOf(dataset, facts)}"`)),
  ];
  const advice =
    licensed.length > 0
      ? `They need a license (${facts.licensePage}). Download them with totalseg_download_weights, and give their folder ` +
        'with --weights.'
      : `${listNames(pulls)} ${pulls.length > 1 ? 'download' : 'downloads'} them; or give the folder that holds them with ` +
        '--weights.';
  return new ModelError(
    `The task ${plan.task} needs the weights ${listNames(names)}, but ${places}. ${advice}`,
  );
}

/** The name by which `models pull` downloads a dataset: that of the task that it belongs to. */
function pullNameOf(dataset: number, facts: TotalsegFacts): string {
  for (const [task, settings] of Object.entries(facts.own)) {
    const modes = 'sub_modes' in settings ? settings.sub_modes : { default: settings };
    for (const [mode, { task_id: datasets }] of Object.entries(modes)) {
      if (![datasets].flat().includes(dataset)) continue;
      return `${pullPrefix}${task}${mode === 'default' ? '' : `_${mode}`}`;
    }
  }
  return `${pullPrefix}TASK`;
}
