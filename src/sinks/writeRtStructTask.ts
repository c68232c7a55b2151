import { task } from '../runtime/task.js';

// In a separate file, like writeSegTask.

/** Writes contours as a DICOM object, in a worker thread. */
export const writeRtStructTask = task<typeof import('../formats/dicom/writeRtStruct.js').writeRtStruct>(
  new URL('../formats/dicom/writeRtStruct.js', import.meta.url),
  'writeRtStruct',
);
