import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, messageOf } from '../errors.js';
import { makeFolder, readFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { mergeNotes, notesFile, notesJson, parseNotes, type UserNotes } from './userNotes.js';

/** The notes of a report's folder. */
export interface NotesOfFolder {
  /** What people noted about cases. */
  readonly notes?: UserNotes;
  /** Why `notes.json` could not be read, as a full sentence. */
  readonly notesFault?: string;
}

/**
 * Reads the notes in a report's folder. A damaged file does not prevent the report: the fault is returned.
 */
export async function notesOrFault(folder: string): Promise<NotesOfFolder> {
  try {
    const notes = await readNotes(join(folder, notesFile));
    return notes ? { notes } : {};
  } catch (error) {
    return { notesFault: `The notes on cases are not shown. ${messageOf(error)}` };
  }
}

/**
 * Reads a file with notes on cases; undefined if there is none.
 *
 * @throws DataError if it cannot be read or is damaged.
 */
async function readNotes(file: string): Promise<UserNotes | undefined> {
  const content = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw readFault(file, error);
  });
  if (content === undefined) return undefined;
  try {
    return parseNotes(content);
  } catch (error) {
    throw new DataError(
      `${file} has no notes that can be read: ${messageOf(error)}. Save the notes of the report again, or remove the file.`,
    );
  }
}

/**
 * Adds the notes of a file to `notes.json` in a report's folder. Of two notes on a case, the newer one stays.
 *
 * @throws DataError if one of the files cannot be read.
 */
export async function addNotes(file: string, folder: string): Promise<void> {
  const kept = join(folder, notesFile);
  const [added, known] = await Promise.all([readNotes(file), readNotes(kept)]);
  if (!added) throw new DataError(`The file ${file} (--notes) does not exist.`);
  await makeFolder(folder);
  await writeFileAside(kept, notesJson(mergeNotes(known ?? new Map(), added)));
}
