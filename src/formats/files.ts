import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { partialSuffix, writeAside } from './aside.js';

/** Writes a text so that the file appears whole or not at all; see `writeAside`. */
export function writeFileAside(file: string, content: string): Promise<void> {
  return writeAside(file, (temporary) => writeFile(temporary, content));
}

/**
 * Removes unfinished files of killed processes from a folder and its subfolders. Nobody else may be writing
 * there.
 */
export async function removePartials(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isFile() && entry.name.endsWith(partialSuffix))
      await rm(join(entry.parentPath, entry.name), { force: true });
  }
}
