import { readFile } from 'node:fs/promises';
import { ModelError, messageOf } from '../../errors.js';
import { readFault } from '../../formats/aside.js';

/** Reads a JSON file that Python wrote: numbers that are not finite stand there as NaN and Infinity. */
export async function readPythonJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  try {
    return JSON.parse(text.replace(/(?<=[[:,]\s*)-?(NaN|Infinity)(?=\s*[\]},])/g, 'null'));
  } catch (error) {
    throw new ModelError(`${file} is not valid JSON: ${messageOf(error)}.`, { cause: error });
  }
}
