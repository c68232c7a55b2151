import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../machine.js';
import { readCard } from '../card.js';
import { checksumOf } from '../checksum.js';
import { writeModelFolder } from '../folder.js';
import { makePrivateFolder } from '../privateFolder.js';
import type { NnunetCard } from './card.js';
import { importNnunet, openNnunet } from './importNnunet.js';
import type { FoldChoice } from './trainedFolder.js';

/** Increase this when the same trained folder gives another model. */
const revision = 2;

/** A trained configuration that was made into a model in the cache folder. */
export interface CachedNnunet {
  /** The model's folder. */
  readonly folder: string;
  readonly card: NnunetCard;
}

/**
 * The model of a trained configuration of nnU-Net, made once and kept in the cache folder under the checksums
 * of its plans and checkpoints.
 *
 * @param onBuild Called before a model is made, which can take a minute.
 * @throws ModelError as `openNnunet` and `importNnunet` do.
 */
export async function cachedNnunet(
  trainedFolder: string,
  choice: FoldChoice,
  onBuild: (name: string) => void,
): Promise<CachedNnunet> {
  const opened = await openNnunet(trainedFolder, choice);
  const key = createHash('sha256').update(JSON.stringify([revision, opened.trained.checkpoint]));
  for (const name of ['plans.json', 'dataset.json']) key.update(await readFile(join(trainedFolder, name)));
  for (const { name, checkpoint } of opened.trained.folds) {
    key.update(JSON.stringify([name, await checksumOf(checkpoint, 'sha256')]));
  }
  const place = join(cacheFolder(), 'nnunet');
  const folder = join(place, `${opened.card.name}-${key.digest('hex').slice(0, 16)}`);
  if (!existsSync(folder)) {
    await makePrivateFolder(place);
    onBuild(opened.card.name);
    await writeModelFolder(folder, await importNnunet(opened, opened.card), true);
  }
  const { nnunet } = await readCard(folder);
  if (!nnunet) throw new Error(`${folder} has a card without the block of nnU-Net.`);
  return { folder, card: nnunet };
}
