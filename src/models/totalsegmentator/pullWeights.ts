import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { listNames, ModelError } from '../../errors.js';
import { makeFolder } from '../../formats/aside.js';
import { cacheFolder } from '../../machine.js';
import { download, OfflineError } from '../download.js';
import { unpackNnunetZip } from '../nnunet/zip.js';
import type { TotalsegFacts } from './facts.js';
import { planTotalseg, type TotalsegPlan, type TotalsegRequest, unsupportedTasks } from './plan.js';
import { findDataset, modelsOf, ownWeights, pullPrefix } from './weights.js';

/** A published archive of weights. */
export interface WeightArchive {
  readonly dataset: number;
  /** The folder in it, `Dataset297_…`. */
  readonly folder: string;
  readonly url: string;
}

/**
 * The plan of a name such as `totalsegmentator_total_fast`: a task, and a mode if it has several.
 *
 * @throws OptionError for an unknown task or mode.
 */
export function planOfName(name: string, facts: TotalsegFacts): TotalsegPlan {
  const task = name.slice(pullPrefix.length);
  const request = (of: string, mode: TotalsegRequest['mode']): TotalsegRequest => ({
    ...{ task: of, mode, robustCrop: false, forceSplit: false, bodySeg: false },
  });
  const suffix = /^(.+)_(fast|fastest)$/.exec(task);
  if (suffix && !facts.tasks[task]) {
    return planTotalseg(request(suffix[1], suffix[2] as 'fast' | 'fastest'), facts);
  }
  return planTotalseg(request(task, 'default'), facts);
}

/**
 * The archives of the weights that a plan needs, its rough segmentation included.
 *
 * @throws ModelError naming the weights that are only given to those who have a license.
 */
export function archivesOf(plan: TotalsegPlan, facts: TotalsegFacts): WeightArchive[] {
  const wanted = modelsOf(plan).map(({ dataset }) => ({ dataset, ...facts.weights[dataset] }));
  const licensed = wanted.filter(({ version }) => version === undefined);
  if (licensed.length > 0) {
    throw new ModelError(
      `The weights ${listNames(licensed.map(({ folder, dataset }) => folder ?? String(dataset)))} of the task ${plan.task} ` +
        `are not public: they need a license (${facts.licensePage}). Download them with TotalSegmentator's ` +
        'totalseg_download_weights, and give their folder to "voxstream totalseg" with --weights.',
    );
  }
  return wanted.map(({ dataset, folder, version }) => ({
    ...{ dataset, folder },
    url: facts.address.replace('VERSION', String(version)).replace('FILENAME', folder),
  }));
}

/** How weights are downloaded. */
export interface PullOptions {
  /** The folder for datasets. Default: that in the cache. */
  readonly place?: string;
  /** Called before an archive is downloaded. Returns what is called with the bytes that arrived. */
  readonly onArchive?: (
    archive: WeightArchive,
  ) => ((done: number, total: number | undefined) => void) | undefined;
}

/**
 * Downloads archives of weights and unpacks them, unless they are there. A dataset appears whole or not at
 * all. No checksums are published for the archives; the checksums inside of them are compared.
 *
 * @returns The datasets that were downloaded.
 * @throws ModelError when an archive cannot be downloaded, saying what to put where, or is not one of
 * nnU-Net.
 */
export async function pullWeights(
  archives: readonly WeightArchive[],
  { place = ownWeights(), onArchive }: PullOptions = {},
): Promise<WeightArchive[]> {
  const pulled: WeightArchive[] = [];
  for (const archive of archives) {
    if (await findDataset(archive.dataset, [place])) continue;
    const file = join(cacheFolder(), 'downloads', `${archive.folder}.zip`);
    const onProgress = onArchive?.(archive);
    await download({ url: archive.url, file, checksum: undefined, ...(onProgress && { onProgress }) }).catch(
      (error) => {
        if (!(error instanceof OfflineError)) throw error;
        throw new ModelError(
          `${error.message} On a machine with a connection, download\n  ${archive.url}\nand unpack it in\n  ${place}`,
          { cause: error },
        );
      },
    );
    await unpackDataset(file, archive, place);
    await rm(file, { force: true });
    pulled.push(archive);
  }
  return pulled;
}

async function unpackDataset(file: string, { folder, url }: WeightArchive, place: string): Promise<void> {
  await makeFolder(place);
  const aside = await mkdtemp(join(place, '.unpacking-'));
  try {
    await unpackNnunetZip(file, aside).catch(async (error) => {
      // A damaged file must not be in the way of the next attempt.
      await rm(file, { force: true });
      throw error;
    });
    const found = await readdir(aside);
    if (!found.includes(folder)) {
      await rm(file, { force: true });
      throw new ModelError(
        `${url} has no folder ${folder}, but ${found.length > 0 ? listNames(found) : 'nothing of nnU-Net'}. It was removed.`,
      );
    }
    await rename(join(aside, folder), join(place, folder));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/**
 * The names that `models pull` takes for the tasks of TotalSegmentator, without those that need a license.
 */
export function pullNames(facts: TotalsegFacts): string[] {
  const usable = Object.entries(facts.tasks).filter(([task]) => !(task in unsupportedTasks));
  return usable.flatMap(([task, settings]) => {
    const modes = 'sub_modes' in settings ? Object.keys(settings.sub_modes) : ['default'];
    return modes.flatMap((mode) => {
      const name = `${pullPrefix}${task}${mode === 'default' ? '' : `_${mode}`}`;
      const needed = modelsOf(planOfName(name, facts));
      return needed.every(({ dataset }) => facts.weights[dataset]?.version) ? [name] : [];
    });
  });
}
