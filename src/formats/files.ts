import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAside } from './aside.js';

/** Writes a text or bytes so that the file appears whole or not at all; see `writeAside`. */
export function writeFileAside(file: string, content: string | Uint8Array): Promise<void> {
  return writeAside(file, (temporary) => writeFile(temporary, content));
}

/** The name of a temporary file of `writeAside`. */
const partialName = /^.+\.\d+-[0-9a-f]{8}\.partial$/;

/**
 * Removes unfinished files and model folders of killed processes from some folders. Files with other names
 * are left alone. Nobody else may be writing there.
 */
export async function removePartials(folders: ReadonlySet<string> | readonly string[]): Promise<void> {
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (partialName.test(name)) await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
