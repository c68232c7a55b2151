import { z } from 'zod';
import { joinPlace } from '../address.js';
import { readSmall, writePlace } from '../storage/places.js';

const ids = z.array(z.string());

function fileIn(output: string): string {
  return joinPlace(output, '.voxstream', 'cases.json');
}

/**
 * Writes the ids of a run's cases, in dataset order, to `.voxstream/cases.json`. An id that the dataset has
 * twice is there twice.
 */
export function writeCaseList(output: string, cases: readonly string[]): Promise<void> {
  return writePlace(fileIn(output), Buffer.from(`${JSON.stringify(cases)}\n`));
}

/** Reads what `writeCaseList` wrote; undefined if the file is missing or damaged. */
export async function readCaseList(output: string): Promise<string[] | undefined> {
  try {
    return ids.parse(JSON.parse(String(await readSmall(fileIn(output)))));
  } catch {
    return undefined;
  }
}
