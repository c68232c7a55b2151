import { basename } from 'node:path';
import type { Case } from '../../case.js';
import type { CaseFiles } from '../targets/evaluator.js';

/** The id of a case: its number in the list and the name of its image. */
export function caseId(files: CaseFiles, index: number): string {
  const image = files['image'] ?? Object.values(files)[0];
  const named = basename(typeof image === 'string' ? image : (image?.[0] ?? `case ${index + 1}`));
  return `${index + 1}: ${named}`;
}

/** Files as the operator `load` takes them. */
export function channelFiles(files: CaseFiles): Case['files'] {
  return Object.fromEntries(
    Object.entries(files).map(([key, file]) => [
      key,
      typeof file === 'string' ? file : { channels: [...file] },
    ]),
  );
}
