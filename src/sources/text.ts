import { readFile, stat } from 'node:fs/promises';
import { isAddress, shownPlace } from '../address.js';
import { DataError, messageOf, show, showBytes } from '../errors.js';
import { readSmall } from '../storage/places.js';

/** The most bytes of a list: a million cases and more. Lists are read into memory. */
const mostBytes = 128 * 2 ** 20;

/** The most entries of a list. */
const mostEntries = 2_000_000;

/** Throws DataError for a list of more entries than memory is sure to hold. */
export function checkCount(count: number, file: string): void {
  if (count <= mostEntries) return;
  throw new DataError(
    `${file} has more than ${mostEntries} entries. Split it, and run the parts one after the other.`,
  );
}

/**
 * Reads a text file in any of the encodings that `decodeText` knows.
 *
 * @throws The system's error; DataError for text in another encoding, and for a file of more than 128 MiB.
 */
export async function readText(file: string): Promise<string> {
  if (isAddress(file)) {
    const text = await readSmall(file, mostBytes);
    if (text) return decodeText(text, shownPlace(file));
    throw new DataError(`${shownPlace(file)} cannot be read: there is no such file; check the address.`);
  }
  const { size } = await stat(file);
  if (size > mostBytes) {
    throw new DataError(
      `${file} has ${showBytes(size)}, but lists of at most ${showBytes(mostBytes)} are read. Split it, and run the ` +
        'parts one after the other.',
    );
  }
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
 * @throws DataError if the text is not JSON, or if a key occurs twice in one of its maps: JSON.parse would
 * drop the first value.
 */
export function parseJson(text: string, file: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${file} is not readable JSON: ${messageOf(error)}.`);
  }
  const twice = repeatedKey(text);
  if (twice === undefined) return value;
  throw new DataError(`${file} has the key ${show(twice)} twice in one map. Keep one of them.`);
}

/** A key that occurs twice in one map of a valid JSON text. */
function repeatedKey(text: string): string | undefined {
  const open: (Set<string> | 'list')[] = [];
  for (const { 0: token, 1: quoted } of text.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push('list');
    else if (token === '}' || token === ']') open.pop();
    const keys = open.at(-1);
    if (quoted === undefined || !(keys instanceof Set)) continue;
    const key: string = JSON.parse(quoted);
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return undefined;
}
