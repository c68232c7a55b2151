import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { isAddress } from '../address.js';
import { OptionError } from '../errors.js';
import { printable } from '../harmless.js';
import type { Mask } from '../mask.js';

/** The log of a run in its output folder. */
export const logName = join('.voxstream', 'run.log');

/** Writes what happens in a run to a file, for `--verbose`. */
export interface LogFile {
  event(event: object): void;
  /** The error of a case, with its stack and causes. */
  fault(caseId: string, error: unknown): void;
}

/**
 * Appends to the log in a run's output folder. Lines begin with the time; further lines of an error are
 * indented.
 *
 * @param mask Hides the values of environment variables.
 * @throws OptionError if the folder is at an address.
 */
export function logFile(output: string, mask: Mask): LogFile {
  if (isAddress(output)) {
    throw new OptionError(
      `--verbose writes a log into the output folder, but ${output} is not on this machine. Use --json, and write what it ` +
        'prints to a file.',
    );
  }
  const file = join(output, logName);
  const write = (text: string) => {
    const entry = printable(String(mask(text))).replaceAll('\n', '\n    ');
    mkdirSync(join(output, '.voxstream'), { recursive: true });
    appendFileSync(file, `${new Date().toISOString()} ${entry}\n`);
  };
  return {
    event: (event) => write(JSON.stringify(event)),
    fault: (caseId, error) => write(`error of case ${caseId}: ${inspect(error)}`),
  };
}
