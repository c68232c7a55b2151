import { join } from 'node:path';
import { folderOf, isAddress, nameOf } from '../address.js';
import { VoxError } from '../errors.js';
import { isImageFile } from '../formats/index.js';
import { casesFolder } from '../report/read.js';
import { FolderCopy } from './folderCopy.js';

/** The folder of a run, to be read. One at an address has a copy on this machine. */
export interface RunFolder {
  /** What the user gave. */
  readonly place: string;
  /** The path on this machine; of a file where the place is one. */
  readonly path: string;
  /** Where a file of the folder is for others: its path, or its address. */
  readonly origin: (file: string) => string;
  /** Writes files of the copy that are new or have changed to the address. */
  readonly send: () => Promise<void>;
}

/**
 * Calls `work` with folders of runs, which may be at addresses: their tables, journals and reports are
 * brought to this machine. Images of cases are not, apart from those of reports. Errors name the addresses.
 *
 * A .csv file may be given instead of a folder. It is brought with the `run.json` beside it.
 */
export async function withRunFolders<T>(
  places: readonly string[],
  work: (folders: readonly RunFolder[]) => Promise<T>,
): Promise<T> {
  const copies: FolderCopy[] = [];
  try {
    const folders: RunFolder[] = [];
    for (const place of places) {
      if (!isAddress(place)) folders.push(onDisk(place));
      else folders.push(await copied(place, copies));
    }
    return await work(folders);
  } catch (error) {
    if (error instanceof VoxError) {
      for (const { path, place } of copies) error.message = error.message.replaceAll(path, place);
    }
    throw error;
  } finally {
    for (const copy of copies) await copy.remove();
  }
}

function onDisk(place: string): RunFolder {
  return { place, path: place, origin: (file) => file, send: async () => {} };
}

async function copied(place: string, copies: FolderCopy[]): Promise<RunFolder> {
  const isTable = /\.csv$/i.test(nameOf(place));
  const copy = await FolderCopy.make(isTable ? folderOf(place) : place, { listed: !isTable });
  copies.push(copy);
  if (isTable) await copy.tryToBring([nameOf(place), 'run.json']);
  else {
    const isWanted = (name: string) => !isImageFile(name) || name.split('/').includes(casesFolder);
    await copy.bring([...copy.there.keys()].filter(isWanted));
    await copy.bringLines();
  }
  return {
    place,
    path: isTable ? join(copy.path, nameOf(place)) : copy.path,
    origin: (file) => copy.origin(file),
    send: async () => void (await copy.sendAll()),
  };
}
