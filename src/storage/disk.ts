import { createReadStream } from 'node:fs';
import { copyFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { partialSuffix, readFault, writeAside } from '../formats/aside.js';
import { type ListedFile, storage } from './define.js';

/** Files on disks. Their places are paths. */
export const disk = storage({
  scheme: 'file',
  async stat(path) {
    try {
      const found = await stat(path);
      return found.isFile() ? { size: found.size, modified: found.mtimeMs } : undefined;
    } catch (error) {
      if (/^(ENOENT|ENOTDIR)$/.test((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw readFault(path, error);
    }
  },
  async read(path, { start, end }) {
    return createReadStream(path, { start, end: end - 1 });
  },
  async *list(folder): AsyncGenerator<ListedFile> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      if (!entry.isFile() || path.endsWith(partialSuffix)) continue;
      const found = await stat(path).catch(() => undefined);
      if (found) yield { path, size: found.size, modified: found.mtimeMs };
    }
  },
  write: (path, content) =>
    writeAside(path, (temporary) =>
      content instanceof Uint8Array ? writeFile(temporary, content) : copyFile(content.file, temporary),
    ),
  remove: (path) => rm(path, { force: true }),
});
