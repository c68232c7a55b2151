import { dirname, isAbsolute, join, win32 } from 'node:path';
import { DataError, show } from '../errors.js';
import { readStart, withFile } from './openFile.js';
import type { RasterHeader } from './raster.js';

/** The most bytes that a header may take. */
const headerLimit = 1 << 20;

/**
 * Reads a header in text form with `parse`, which gets the file's first bytes: 1 MiB, or the whole file.
 *
 * @throws DataError if the file cannot be read or its header is not usable.
 */
export function readTextHeader(
  file: string,
  parse: (bytes: Buffer, file: string) => RasterHeader,
): Promise<RasterHeader> {
  return withFile(file, async (open, fileBytes) => {
    const bytes = await readStart(open, Math.min(fileBytes, headerLimit));
    if (bytes.length === 0) {
      throw new DataError(`${file} is empty; an image was expected. Copy or download it again.`);
    }
    return parse(bytes, file);
  });
}

/** The path of a data file that a header names. A header must not make us read files from elsewhere. */
export function besideHeader(dataFile: string, file: string): string {
  if (/^list\b|%/i.test(dataFile)) {
    throw new DataError(
      `${file} spreads its voxels over several files (${show(dataFile)}), but one was expected. Convert it ` +
        `to one file.`,
    );
  }
  const leaves = isAbsolute(dataFile) || win32.isAbsolute(dataFile) || dataFile.split(/[\\/]/).includes('..');
  if (leaves || dataFile === '') {
    throw new DataError(
      `${file} names ${show(dataFile)} as the file of its voxels, but a file in its own folder was ` +
        'expected. Put the two files side by side, and correct the header.',
    );
  }
  return join(dirname(file), dataFile);
}
