import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isAddress, joinPlace, nameInside, shownPlace } from '../address.js';
import { OptionError } from '../errors.js';
import { isArchive, namesInArchive } from '../formats/archives.js';
import { type Opener, withFile } from '../formats/openFile.js';
import { localCopy } from '../storage/cache.js';
import { listPlace, openAddress, type RemotePlace } from '../storage/places.js';
import { tarIndexAt } from '../storage/tar.js';

/** The files below a folder, in an archive, or at the address of either. */
export interface FilesBelow {
  /** Their paths or addresses, sorted. Hidden files and links to folders are left out. */
  readonly paths: readonly string[];
  /** Opens one of them. Of a file at an address, only the parts that are needed are read. */
  readonly open: Opener;
  /** Has to be called when no more files are opened. */
  readonly release: () => Promise<void>;
}

/**
 * Lists the files below a folder, in a .tar or .zip, or at the address of either. A .zip at an address is
 * downloaded.
 *
 * @throws OptionError if there is no such folder or archive, or no way to list it.
 */
export async function openFilesBelow(root: string): Promise<FilesBelow> {
  if (!isAddress(root)) return { paths: await pathsBelow(root), open: withFile, release: async () => {} };
  const name = shownPlace(root);
  if (/\.zip$/i.test(name)) return inRemoteZip(root);
  return atPlaces(/\.tar$/i.test(name) ? await placesInTar(root) : await placesBelow(root));
}

/** The name of a file below a root that it was listed with. */
export function nameBelow(root: string, file: string): string {
  return isAddress(root) ? (nameInside(root, file) ?? file) : relative(root, file);
}

async function pathsBelow(root: string): Promise<string[]> {
  const found = await stat(root).catch(() => undefined);
  if (!found)
    throw new OptionError(
      `${root} (source.root) does not exist. Give the folder with the files, or their .tar or .zip.`,
    );
  if (found.isFile()) {
    if (!isArchive(root)) {
      throw new OptionError(
        `${root} (source.root) is a file, but a folder, a .tar or a .zip was expected. Give the folder that it is in.`,
      );
    }
    const names = (await namesInArchive(root)).filter(isVisible);
    return names.sort().map((name) => join(root, name));
  }
  const entries = await readdir(root, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const paths = files
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => isVisible(relative(root, path)));
  return paths.sort();
}

async function placesBelow(root: string): Promise<Map<string, RemotePlace>> {
  const files = await listPlace(root);
  const visible = files.filter(({ path }) => isVisible(nameBelow(root, path)));
  return new Map(visible.map(({ path, ...info }) => [path, { address: path, offset: 0, ...info }]));
}

async function placesInTar(archive: string): Promise<Map<string, RemotePlace>> {
  const found = await tarIndexAt(archive);
  if (!found) throw missing(archive);
  const { index, info } = found;
  const places = new Map<string, RemotePlace>();
  for (const name of [...index.keys()].filter(isVisible)) {
    const member = index.get(name);
    const tag = info.tag && { tag: info.tag };
    if (member) places.set(joinPlace(archive, name), { address: archive, ...member, ...tag });
  }
  return places;
}

function atPlaces(places: ReadonlyMap<string, RemotePlace>): FilesBelow {
  return {
    paths: [...places.keys()].sort(),
    open(file, work) {
      const place = places.get(file);
      if (!place) throw missing(file);
      return work(openAddress(place), place.size);
    },
    release: async () => {},
  };
}

async function inRemoteZip(archive: string): Promise<FilesBelow> {
  const copy = await localCopy(archive);
  const names = (await namesInArchive(copy.path)).filter(isVisible).sort();
  const members = new Map(names.map((name) => [joinPlace(archive, name), join(copy.path, name)]));
  return {
    paths: [...members.keys()],
    open: (file, work) => withFile(members.get(file) ?? file, work, shownPlace(file)),
    release: copy.release,
  };
}

function isVisible(name: string): boolean {
  return !name.split(/[\\/]/).some((part) => part.startsWith('.'));
}

function missing(place: string): OptionError {
  return new OptionError(`${shownPlace(place)} (source.root) does not exist. Check the address.`);
}
