import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { ModelError, messageOf } from '../errors.js';
import { readFault } from '../formats/aside.js';
import { sayIssue } from '../options.js';

/**
 * Reads a JSON file of a known form.
 *
 * @param whole What the file holds, for messages about all of it, e.g. `the registry`.
 * @throws ModelError naming every wrong field; DataError when the file cannot be read.
 */
export async function readJsonFile<T>(file: string, schema: z.ZodType<T>, whole: string): Promise<T> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new ModelError(`${file} is not valid JSON: ${messageOf(error)}.`, { cause: error });
  }
  const parsed = schema.safeParse(content, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new ModelError(parsed.error.issues.map((issue) => `${file}: ${sayIssue(issue, whole)}.`).join('\n'));
}
