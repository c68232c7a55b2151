import { DataError } from '../../errors.js';
import { version } from '../../version.js';
import { type DerivedRequest, sourceOf, writeObject } from './derived.js';
import { codedSegments, segmentsOf } from './segments.js';
import { segObject } from './segObject.js';

/**
 * Writes a label map as a DICOM segmentation of its series.
 *
 * @returns Warnings, a sentence each.
 * @throws DataError if the label map is not on the series' grid, if a label has no name or code, or if the
 * file cannot be written.
 */
export async function writeSeg(request: DerivedRequest): Promise<readonly string[]> {
  const { file, id, key, volume, seriesDescription, algorithm } = request;
  const source = await sourceOf(request);
  const name = `The ${key} of case ${id}`;
  const segments = codedSegments(segmentsOf(volume, name, request), name);
  if (segments.length === 0) {
    throw new DataError(
      `${name} has no voxel and no named label, and a segmentation needs a segment. Name the labels in the ` +
        "model's card, and set emptySegments: keep.",
    );
  }
  await writeObject(
    file,
    segObject({ ...source, segments, volume, seriesDescription, algorithm, id: `${id} ${key}`, version }),
  );
  return source.warnings;
}
