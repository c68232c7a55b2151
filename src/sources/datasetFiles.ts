import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isAddress, joinPlace, shownPlace } from '../address.js';
import { OptionError } from '../errors.js';
import { readStart, withFile } from '../formats/openFile.js';
import { indexTar } from '../formats/tar.js';
import { namesInFolder, readSmall } from '../storage/places.js';
import { tarIndexAt } from '../storage/tar.js';
import { archiveFile, isDecathlonArchive } from './archives.js';
import { decodeText, readText } from './text.js';

/** Access to a dataset's files, in a folder or in a tar archive. */
export interface DatasetFiles {
  readonly root: string;
  /** The text of one of its files; undefined if there is no such file. */
  read(name: string): Promise<string | undefined>;
  /** Names of the files in one of its folders. */
  list(folder: string): Promise<string[]>;
}

/**
 * The files of a dataset.
 *
 * @param root A folder, a tar archive with one, the address of either, or the name of an archive that
 * "voxstream data pull" has downloaded.
 * @throws OptionError if there is none of these.
 */
export async function openDataset(root: string): Promise<DatasetFiles> {
  if (isAddress(root))
    return /\.tar$/i.test(shownPlace(root)) ? filesOfRemoteTar(root) : filesOfAddress(root);
  const found = await stat(root).catch(() => undefined);
  if (found) return found.isFile() ? filesOfTar(root) : filesOfFolder(root);
  const isName = /^[\w-]+$/.test(root);
  if (isName && existsSync(archiveFile(root))) return filesOfTar(archiveFile(root));
  const advice = isDecathlonArchive(root)
    ? `Run "voxstream data pull ${root}" to download it, or give the folder that contains dataset.json.`
    : "Give the folder that contains dataset.json, or the dataset's .tar file.";
  throw new OptionError(`The dataset folder ${root} (source.root) does not exist. ${advice}`);
}

function filesOfFolder(root: string): DatasetFiles {
  return {
    root,
    read: async (name) => (existsSync(join(root, name)) ? readText(join(root, name)) : undefined),
    list: (folder) => readdir(join(root, folder)).catch(() => []),
  };
}

function filesOfAddress(root: string): DatasetFiles {
  return {
    root,
    read: (name) => readAt(joinPlace(root, name)),
    list: (folder) => namesInFolder(joinPlace(root, folder)),
  };
}

async function readAt(address: string): Promise<string | undefined> {
  const text = await readSmall(address);
  return text && decodeText(text, shownPlace(address));
}

async function filesOfRemoteTar(archive: string): Promise<DatasetFiles> {
  const found = await tarIndexAt(archive);
  if (!found) {
    throw new OptionError(`${shownPlace(archive)} (source.root) does not exist. Check the address.`);
  }
  return filesInTar(archive, [...found.index.keys()], readAt);
}

async function filesOfTar(archive: string): Promise<DatasetFiles> {
  if (!/\.tar$/i.test(archive)) {
    throw new OptionError(
      `${archive} (source.root) is a file, but a folder with dataset.json or a dataset's .tar file was ` +
        'expected. Unpack it, and give the folder.',
    );
  }
  const names = [...(await indexTar(archive)).keys()];
  return filesInTar(archive, names, (file) =>
    withFile(file, async (open, size) => decodeText(await readStart(open, size), file)),
  );
}

/** A dataset in a tar archive: the folder in it that contains `dataset.json` or, without one, images. */
function filesInTar(
  archive: string,
  names: readonly string[],
  readFile: (file: string) => Promise<string | undefined>,
): DatasetFiles {
  const depth = (name: string) => name.split('/').length;
  const marks = names.filter((name) => /(^|\/)(dataset\.json|images(Tr|Ts)\/[^/]+)$/.test(name));
  const [mark = ''] = marks.sort(
    (a, b) => Number(!isDatasetJson(a)) - Number(!isDatasetJson(b)) || depth(a) - depth(b),
  );
  const inside = mark.replace(/(^|\/)(dataset\.json|images(Tr|Ts)\/[^/]+)$/, '');
  const root = joinPlace(archive, inside);
  return {
    root,
    read: async (name) => {
      const path = posix.join(inside, name);
      return names.includes(path) ? readFile(joinPlace(archive, path)) : undefined;
    },
    list: async (folder) => {
      const start = posix.join(inside, folder, '/');
      return names.flatMap((name) => (name.startsWith(start) ? [name.slice(start.length)] : []));
    },
  };
}

function isDatasetJson(name: string): boolean {
  return /(^|\/)dataset\.json$/.test(name);
}
