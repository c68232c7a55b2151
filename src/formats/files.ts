import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { partialSuffix, writeAside } from './aside.js';

/** Writes a text so that the file appears whole or not at all; see `writeAside`. */
export function writeFileAside(file: string, content: string): Promise<void> {
  return writeAside(file, (temporary) => writeFile(temporary, content));
}

/** Removes what writers that were killed left in a folder and those below it; for a folder that nobody else writes to. */
export async function removePartials(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isFile() && entry.name.endsWith(partialSuffix))
      await rm(join(entry.parentPath, entry.name), { force: true });
  }
}
