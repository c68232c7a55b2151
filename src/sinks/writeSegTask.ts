import { task } from '../runtime/task.js';

// In a separate file: the types of the public sink must not lead to those of dicom-parser, which need
// Node's.

/** Writes a segmentation as a DICOM object, in a worker thread. */
export const writeSegTask = task<typeof import('../formats/dicom/writeSeg.js').writeSeg>(
  new URL('../formats/dicom/writeSeg.js', import.meta.url),
  'writeSeg',
);
