import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { joinPlace, nameInside, nameOf, shownPlace } from '../address.js';
import { ModelError } from '../errors.js';
import { makeFolder } from '../formats/aside.js';
import { temporaryFolder } from '../formats/temporaryFolder.js';
import { cacheFolder } from '../machine.js';
import { localCopy } from '../storage/cache.js';
import { storageOf } from '../storage/index.js';
import { listPlace, readSmall } from '../storage/places.js';

/** The most files of a model folder. */
const mostFiles = 200;

const brought = new Map<string, Promise<string>>();

/**
 * Brings a model from an address here: an `.onnx` file, or a folder with `metadata.json`. Returns its path.
 * It stays until the process ends.
 *
 * @throws ModelError if there is no model.
 */
export function bringModel(address: string): Promise<string> {
  let path = brought.get(address);
  if (!path) {
    path = bring(address);
    brought.set(address, path);
    path.catch(() => brought.delete(address));
  }
  return path;
}

async function bring(address: string): Promise<string> {
  const parent = join(cacheFolder(), 'remote');
  await makeFolder(parent);
  const folder = await temporaryFolder('model', parent);
  const root = join(folder.path, nameOf(address) || 'model');
  const copy = async (from: string, to: string) => {
    const { path, release } = await localCopy(from);
    await makeFolder(join(to, '..'));
    await copyFile(path, to).finally(release);
  };
  try {
    if (/\.onnx$/i.test(shownPlace(address))) await copy(address, root);
    else for (const name of await filesOf(address)) await copy(joinPlace(address, name), join(root, name));
    return root;
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** The names of the files of a model folder. */
async function filesOf(address: string): Promise<string[]> {
  const card = await readSmall(joinPlace(address, 'metadata.json'));
  if (!card) {
    throw new ModelError(
      `There is no model at ${shownPlace(address)}: it is neither an .onnx file nor a folder with metadata.json.`,
    );
  }
  if (!storageOf(address).list) return ['metadata.json', fileIn(String(card))];
  const names = (await listPlace(address)).map(({ path }) => nameInside(address, path) ?? '');
  if (names.length <= mostFiles) return names;
  throw new ModelError(
    `${shownPlace(address)} has ${names.length} files, but a model folder has at most ${mostFiles}. Give the folder of one ` +
      'model.',
  );
}

/** The ONNX file that a card names. A faulty card is refused when it is read. */
function fileIn(card: string): string {
  try {
    const { file } = JSON.parse(card);
    if (typeof file === 'string' && !file.split(/[\\/]/).includes('..')) return file;
  } catch {
    // It is refused when it is read.
  }
  return 'model.onnx';
}
