import { sink } from './define.js';
import { derivedOptions, derivedSink } from './derived.js';
import { writeRtStructTask } from './writeRtStructTask.js';

/**
 * A sink that writes label maps as DICOM RT structure sets: closed contours in mm on the source's slices,
 * with references to them. A hole is joined to its contour by a keyhole. Contours run halfway between the
 * centres of voxels, so that a reader that fills them by centres gets the label map back.
 *
 * @throws DataError on the stream if a label map is not on the grid of the series, if a label has no name, or
 * if a file cannot be written.
 */
export const rtstructSink = sink({
  name: 'rtstruct',
  summary: 'Writes label maps as contours (RTSTRUCT) of their DICOM series, CASE_KEY_rtstruct.dcm.',
  options: derivedOptions,
  example: { keys: 'pred', algorithm: 'spleen_ct_segmentation 0.5.9' },
  ...derivedSink('rtstruct', writeRtStructTask, '_rtstruct'),
});
