import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DataError, messageOf, VoxError } from '../errors.js';

/** The suffix of files that are being written. One that stays behind is from a process that was killed. */
export const partialSuffix = '.partial';

/**
 * Writes a file so that it appears whole or not at all: `write` fills a temporary file beside it, which is
 * flushed to the disk and then renamed. Creates missing folders, and replaces an existing file. The temporary
 * file is removed if anything fails.
 *
 * @throws DataError if the disk is full or read-only, or the path cannot be written for another reason.
 */
export async function writeAside(
  file: string,
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}${partialSuffix}`;
  try {
    await makeFolder(dirname(file));
    await write(temporary);
    const handle = await open(temporary, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeFault(file, error);
  }
}

/**
 * Creates a folder and its parents, one level at a time. Node's recursive `mkdir` never ends where the file
 * system refuses new folders with ENOENT, as `/proc` does.
 *
 * @throws The system's error; DataError where the file system has no place for folders.
 */
export async function makeFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) await makeFolder(parent);
  try {
    await mkdir(folder);
  } catch (error) {
    // Another process may have made it meanwhile.
    if (await isFolder(folder)) return;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || !(await isFolder(parent))) throw error;
    throw new DataError(
      `The folder ${folder} cannot be created: the file system of ${parent} does not allow it. Choose another ` +
        'folder.',
    );
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

/** What error codes mean when writing, and what to do. */
const writeReasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free some space, or choose another output folder',
  EDQUOT: 'the disk quota is used up; free some space, or choose another output folder',
  EROFS: 'the file system is read-only; choose another output folder',
  EACCES: 'permission is denied; check the rights of its folder, or choose another output folder',
  EPERM: 'permission is denied; check the rights of its folder, or choose another output folder',
  ENOENT: 'its folder is gone; check that nothing else removes the output folder',
  ENOTDIR: 'a part of its path is a file, not a folder; choose another output folder',
  EEXIST: 'a part of its path is a file, not a folder; choose another output folder',
  EISDIR: 'a folder of that name is in the way; remove it, or choose another output folder',
  ENAMETOOLONG: 'its name is too long for the file system; choose a shorter one',
  EFBIG: 'it is too large for the file system; choose another output folder',
  EMFILE: 'too many files are open; raise the limit (ulimit -n)',
  EIO: 'the disk reports an error; check it, or choose another output folder',
};

/** The error to throw if a file could not be written: a sentence with the file, the cause and what to do. */
export function writeFault(file: string, error: unknown): VoxError {
  return fault('written', file, error, writeReasons);
}

/** What error codes mean when reading, and what to do. */
const readReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file; check its path',
  ENOTDIR: 'a part of its path is a file, not a folder; check its path',
  EISDIR: 'it is a folder, but a file was expected; check its path',
  EACCES: 'permission is denied; check its rights',
  EPERM: 'permission is denied; check its rights',
  ENAMETOOLONG: 'its name is too long for the file system; check its path',
  ELOOP: 'its path is a loop of symbolic links; check its path',
  EMFILE: 'too many files are open; raise the limit (ulimit -n)',
  EIO: 'the disk reports an error; check it',
};

/** The error to throw if a file could not be read: a sentence with the file, the cause and what to do. */
export function readFault(file: string, error: unknown): VoxError {
  return fault('read', file, error, readReasons);
}

function fault(
  done: string,
  file: string,
  error: unknown,
  reasons: Readonly<Record<string, string>>,
): VoxError {
  if (error instanceof VoxError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return new DataError(`${file} cannot be ${done}: ${reasons[code] ?? messageOf(error)}.`, { cause: error });
}
