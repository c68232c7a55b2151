import { sink } from './define.js';
import { derivedOptions, derivedSink } from './derived.js';
import { writeSegTask } from './writeSegTask.js';

// By name, so that worker threads do not load it when they start: few runs write DICOM.

/**
 * A sink that writes label maps as DICOM segmentations (binary, one file each) with references to the
 * source's slices.
 *
 * Segments are the labels that have names, with SNOMED CT codes. Frames lie at the positions of the source's
 * slices. UIDs are made from the content: writing the same result again gives the same file.
 *
 * @throws DataError on the stream if a label map is not on the grid of the series, if a label has no name or
 * code, or if a file cannot be written.
 */
export const dicomSegSink = sink({
  name: 'dicomSeg',
  summary: 'Writes label maps as DICOM segmentations (SEG) of their series, CASE_KEY.dcm.',
  options: derivedOptions,
  example: { keys: 'pred', algorithm: 'spleen_ct_segmentation 0.5.9' },
  ...derivedSink('dicomSeg', writeSegTask, ''),
});
