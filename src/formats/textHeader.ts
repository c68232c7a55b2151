import { DataError } from '../errors.js';
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
