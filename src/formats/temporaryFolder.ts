import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Folders that still exist. */
const folders = new Set<string>();

/** A folder for files of one case, which nobody else may read. */
export interface TemporaryFolder {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/**
 * Creates a folder in `parent`, by default the system's temporary folder (`TMPDIR`). It is removed by
 * `remove` or, at the latest, when the process exits; only a killed process leaves it behind.
 */
export async function temporaryFolder(name: string, parent = tmpdir()): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(parent, `voxstream-${name}-`));
  if (folders.size === 0) process.once('exit', removeAll);
  folders.add(path);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
      folders.delete(path);
      if (folders.size === 0) process.off('exit', removeAll);
    },
  };
}

function removeAll(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}
