import { readFile } from 'node:fs/promises';
import { DataError, messageOf } from '../errors.js';

/** Reads a text file in any of the encodings that `decodeText` knows. */
export async function readText(file: string): Promise<string> {
  return decodeText(await readFile(file), file);
}

/**
 * The text in UTF-8 or UTF-16, without a byte order mark. UTF-16 without a mark is recognized by its first
 * character, which must be ASCII, as in JSON and in the header of a CSV file.
 *
 * @throws DataError for text in another encoding, e.g. Windows-1252.
 */
export function decodeText(bytes: Uint8Array, file: string): string {
  const [first, second] = bytes;
  const bigEndian = (first === 0xfe && second === 0xff) || (first === 0 && second > 0);
  const littleEndian = (first === 0xff && second === 0xfe) || (first > 0 && second === 0);
  const encoding = bigEndian ? 'utf-16be' : littleEndian ? 'utf-16le' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new DataError(
      `${file} is not text in UTF-8 or UTF-16. Save it again as UTF-8 (in Excel: "CSV UTF-8").`,
    );
  }
}

/**
 * The value that a JSON text holds.
 *
 * @throws DataError if the text is not JSON.
 */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(`${file} is not readable JSON: ${messageOf(error)}.`);
  }
}
