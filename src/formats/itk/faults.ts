import { DataError } from '../../errors.js';

/** The error for a file that is shorter or longer than its header says. */
export function lengthFault(file: string, found: number, expected: number): DataError {
  return new DataError(
    found < expected
      ? `${file} is cut off, or its header is damaged: it holds ${found} bytes, but its header says ${expected}. ` +
          'Copy or download it again.'
      : `${file} holds ${found} bytes, but its header says ${expected}. Its header or its voxels are damaged; ` +
          'copy or download it again.',
  );
}

/** The note on a file whose format does not say where the patient's left side is. */
export function noDirections(file: string, format: string): string {
  return (
    `${file} states no patient directions, as ${format} cannot; x was taken to point to the left, y to the back and ` +
    'z to the head, as ITK does.'
  );
}
