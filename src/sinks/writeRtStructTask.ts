import { task } from '../runtime/task.js';

// In a file of its own, as writeSegTask.

/** Writes contours as a DICOM object, in a worker thread. */
export const writeRtStructTask = task<typeof import('../formats/dicom/writeRtStruct.js').writeRtStruct>(
  new URL('../formats/dicom/writeRtStruct.js', import.meta.url),
  'writeRtStruct',
);
