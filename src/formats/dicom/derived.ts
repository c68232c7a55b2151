import { writeFile } from 'node:fs/promises';
import type { SeriesFiles } from '../../case.js';
import { DataError } from '../../errors.js';
import { sameGrid } from '../../volume/affine.js';
import type { Volume } from '../../volume/volume.js';
import { writeAside } from '../aside.js';
import { showFile } from '../inputFiles.js';
import { readElements } from './elements.js';
import { openSeries } from './readSeries.js';
import type { SegmentOptions } from './segments.js';
import { affineOf, type Stack, sizeOf } from './stack.js';
import { type StudyFields, studyFieldsOf } from './studyFields.js';
import { isUid, uidOf } from './uid.js';
import { textOf } from './values.js';

/** What DICOM objects are made from: a label map and the series that it belongs to. */
export interface DerivedRequest extends SegmentOptions {
  readonly file: string;
  /** The case's id. */
  readonly id: string;
  /** The label map's key. */
  readonly key: string;
  readonly series: SeriesFiles;
  readonly volume: Volume;
  readonly seriesDescription: string;
  readonly algorithm: string;
}

/** The source of a derived object: its slices, and what it hands on. */
export interface DerivedSource {
  readonly stack: Stack;
  readonly study: StudyFields;
  readonly frameOfReference: string;
  readonly contentTime: readonly [string, string];
  /** Values of the source that were left out or replaced, a sentence each. */
  readonly warnings: readonly string[];
}

/** Reads the series of a request and checks that the label map lies on its grid. */
export async function sourceOf({ id, key, series, volume }: DerivedRequest): Promise<DerivedSource> {
  const stack = await openSeries(series);
  const grid = { size: sizeOf(stack), affine: affineOf(stack) };
  const name = showFile(series);
  if (!sameGrid(volume, grid)) {
    throw new DataError(
      `The ${key} of case ${id} has ${volume.size.join(' x ')} voxels on another grid than ${name} (${grid.size.join(' x ')}), ` +
        'but it must lie on it. Put invert before the end of the steps.',
    );
  }
  const [{ file }] = stack.slices;
  const elements = await readElements(file.file);
  if (!elements || elements === 'empty')
    throw new DataError(`${file.file} changed while the case was run. Run it again.`);
  const set = elements.dataSet;
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(`${file.file}: ${message}`);
  const study = studyFieldsOf(set, warn);
  const frameOfReference = isUid(file.frameOfReference)
    ? file.frameOfReference
    : uidOf('frame of reference', file.series);
  if (frameOfReference !== file.frameOfReference) {
    warn(
      'it has no valid FrameOfReferenceUID; the result gets a new one, and viewers may not show both together.',
    );
  }
  // A time of now would make another file with the same UID if a run is resumed.
  const first = (tags: readonly string[], valid: RegExp, otherwise: string) =>
    tags.map((tag) => textOf(set, tag)).find((text) => text !== undefined && valid.test(text)) ?? otherwise;
  const contentTime = [
    first(['x00080023', 'x00080021', 'x00080020'], /^\d{8}$/, '19700101'),
    first(['x00080033', 'x00080031', 'x00080030'], /^\d{6}(\.\d{1,6})?$/, '000000'),
  ] as const;
  return { stack, study, frameOfReference, contentTime, warnings };
}

/** Writes an object with attributes by keyword. The library is loaded when the first one is written. */
export async function writeObject(file: string, object: object): Promise<void> {
  const { default: dcmjs } = await import('dcmjs');
  dcmjs.log.setLevel('error');
  const bytes = dcmjs.data.datasetToBuffer(object);
  await writeAside(file, (temporary) => writeFile(temporary, bytes));
}
