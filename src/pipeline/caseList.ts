import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAside } from '../formats/files.js';

const ids = z.array(z.string());

function fileIn(output: string): string {
  return join(output, '.voxstream', 'cases.json');
}

/**
 * Writes the ids of a run's cases, in dataset order, to `.voxstream/cases.json`. An id that the dataset has
 * twice is there twice.
 */
export function writeCaseList(output: string, cases: readonly string[]): Promise<void> {
  return writeFileAside(fileIn(output), `${JSON.stringify(cases)}\n`);
}

/** Reads what `writeCaseList` wrote; undefined if the file is missing or damaged. */
export async function readCaseList(output: string): Promise<string[] | undefined> {
  try {
    return ids.parse(JSON.parse(await readFile(fileIn(output), 'utf8')));
  } catch {
    return undefined;
  }
}
