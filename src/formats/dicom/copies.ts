import { createHash } from 'node:crypto';
import { type Opener, readStart, withFile } from '../openFile.js';
import { groupBy } from './groupBy.js';
import type { DicomFile } from './header.js';

/**
 * The files of a series without copies: of files with the same SOPInstanceUID and the same bytes only the
 * first is kept.
 *
 * @param open How files are opened. Default: `withFile`.
 * @throws DataError if one of them cannot be read.
 */
export async function withoutCopies(
  files: readonly DicomFile[],
  onWarning: (message: string) => void,
  open: Opener = withFile,
): Promise<DicomFile[]> {
  const copies = new Set<DicomFile>();
  for (const same of groupBy(files, ({ sopInstance }) => sopInstance).values()) {
    if (same.length === 1) continue;
    const seen = new Map<string, DicomFile>();
    for (const file of same) {
      const sum = await checksum(file.file, open);
      const first = seen.get(sum);
      if (first) {
        copies.add(file);
        onWarning(`${file.file} is a copy of ${first.file}; it is left out.`);
      } else seen.set(sum, file);
    }
  }
  return files.filter((file) => !copies.has(file));
}

function checksum(file: string, open: Opener): Promise<string> {
  return open(file, async (opened, size) =>
    createHash('sha256')
      .update(await readStart(opened, size))
      .digest('hex'),
  );
}
