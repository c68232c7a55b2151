import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { makeFolder } from '../../formats/aside.js';
import { writeFileAside } from '../../formats/files.js';
import { cacheFolder } from '../../machine.js';
import { readCard } from '../card.js';
import { checksumOf, stateOf } from '../checksum.js';
import { writeModelFolder } from '../folder.js';
import { makePrivateFolder } from '../privateFolder.js';
import type { NnunetCard } from './card.js';
import { importNnunet, openNnunet } from './importNnunet.js';
import { type FoldChoice, openTrained, type TrainedFolder } from './trainedFolder.js';

/** Increase this when the same trained folder gives another model. */
const revision = 2;

/** A trained configuration that was made into a model in the cache folder. */
export interface CachedNnunet {
  /** The model's folder. */
  readonly folder: string;
  readonly card: NnunetCard;
}

/** Progress of `cachedNnunet`. */
export interface CacheEvents {
  /** Called before a model is made, which can take a minute. */
  readonly onBuild?: (name: string) => void;
  /** Called with sentences for the user, when a model was made. */
  readonly onNote?: (note: string) => void;
}

/**
 * The model of a trained configuration of nnU-Net, made once and kept in the cache folder under the checksums
 * of its plans and checkpoints. While the sizes and times of these files stay the same, they are not read
 * again.
 *
 * @throws ModelError as `openNnunet` and `importNnunet` do.
 */
export async function cachedNnunet(
  trainedFolder: string,
  choice: FoldChoice,
  events: CacheEvents = {},
): Promise<CachedNnunet> {
  const place = join(cacheFolder(), 'nnunet');
  const trained = await openTrained(trainedFolder, choice);
  await makePrivateFolder(place);
  const seen = join(place, 'seen', await keyOf(trained, stateOf));
  const known = await readFile(seen, 'utf8').catch(() => '');
  const folder = join(place, basename(known));
  if (known !== '' && existsSync(folder)) return cardIn(folder);
  const made = await madeModel(trainedFolder, choice, place, events);
  await makeFolder(join(place, 'seen'));
  await writeFileAside(seen, basename(made));
  return cardIn(made);
}

/** The folder of the model by the contents of its files. Makes the model if it is not there. */
async function madeModel(
  trainedFolder: string,
  choice: FoldChoice,
  place: string,
  { onBuild, onNote }: CacheEvents,
): Promise<string> {
  const opened = await openNnunet(trainedFolder, choice);
  const key = await keyOf(opened.trained, (file) => checksumOf(file, 'sha256'));
  const folder = join(place, `${opened.card.name}-${key}`);
  if (existsSync(folder)) return folder;
  onBuild?.(opened.card.name);
  const made = await importNnunet(opened, opened.card);
  await writeModelFolder(folder, made, true);
  for (const note of made.notes ?? []) onNote?.(note);
  return folder;
}

/** A key of the files that a model is made of, each described by `describe`. */
async function keyOf(
  { folder, folds, checkpoint }: TrainedFolder,
  describe: (file: string) => Promise<string>,
): Promise<string> {
  const texts = ['plans.json', 'dataset.json'].map((name) => join(folder, name));
  const files = [...texts, ...folds.map((fold) => fold.checkpoint)];
  const described = await Promise.all(files.map((file) => describe(resolve(file))));
  const key = [revision, checkpoint, folds.map(({ name }) => name), described];
  return createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
}

async function cardIn(folder: string): Promise<CachedNnunet> {
  const { nnunet } = await readCard(folder);
  if (!nnunet) throw new Error(`${folder} has a card without the block of nnU-Net.`);
  return { folder, card: nnunet };
}
