import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Case, fileNameOf, type SeriesFiles, volumeOf } from '../case.js';
import { DataError } from '../errors.js';

import type { OptionTypes } from '../options.js';
import { task } from '../runtime/task.js';
import { sink } from './define.js';

// Not preloaded: few runs write DICOM.
const writeSegTask = task<typeof import('../formats/dicom/writeSeg.js').writeSeg>(
  new URL('../formats/dicom/writeSeg.js', import.meta.url),
  'writeSeg',
);

/** Options that sinks of DICOM objects share. */
export const derivedOptions = {
  keys: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .default('pred')
    .describe('Label maps to write, on the grid of the series'),
  image: z.string().min(1).default('image').describe('The key of the series that they belong to'),
  dir: z.string().default('').describe("Folder, relative to the run's. Default: the run's own"),
  seriesDescription: z.string().max(64).default('voxstream segmentation').describe('SeriesDescription'),
  algorithm: z
    .string()
    .min(1)
    .max(64)
    .default('voxstream')
    .describe('Name of the algorithm, e.g. of the model'),
  codes: z
    .record(
      z.string(),
      z.object({
        value: z.string().min(1).max(16),
        scheme: z.string().min(1).max(16).default('SCT'),
        meaning: z.string().min(1).max(64),
      }),
    )
    .default({})
    .describe('Codes by label name, for names that the built-in table of SNOMED CT codes does not have'),
} satisfies OptionTypes;

/** The keys of an option, as a list. */
export function keyList(keys: string | readonly string[]): readonly string[] {
  return [keys].flat();
}

/** The series under a key. Throws DataError if the case has none. */
export function seriesOf(subject: Case, key: string, sinkName: string): SeriesFiles {
  const file = subject.files[key];
  if (file !== undefined && typeof file !== 'string') return file;
  throw new DataError(
    `${sinkName}: the ${key} of case ${subject.id} ${file === undefined ? 'has no files' : `was read from ${file}`}, but a DICOM ` +
      'series was expected. Use the source dicom, or name the key of the series with "image".',
  );
}

/**
 * A sink that writes label maps as DICOM segmentations (binary, one file each) with references to the source's slices.
 *
 * Segments are the labels that have names, with SNOMED CT codes. Frames lie at the positions of the source's slices. UIDs
 * are made from the content: writing the same result again gives the same file.
 *
 * @throws DataError on the stream if a label map is not on the grid of the series, if a label has no name or code, or if a
 * file cannot be written.
 */
export const dicomSegSink = sink({
  name: 'dicomSeg',
  summary: 'Writes label maps as DICOM segmentations (SEG) of their series, CASE_KEY.dcm.',
  options: {
    ...derivedOptions,
    emptySegments: z
      .enum(['keep', 'omit'])
      .default('keep')
      .describe(
        'Segments without a voxel: keep them, so that numbers are the same in all files, or omit them',
      ),
  },
  example: { keys: 'pred', algorithm: 'spleen_ct_segmentation 0.5.9' },
  open: async ({ keys, image, dir, ...options }, { output, runtime }) => {
    const fileOf = (subject: Case, key: string) =>
      join(resolve(output, dir), `${fileNameOf(subject.id)}_${key}.dcm`);
    return {
      async write(subject) {
        const series = seriesOf(subject, image, 'dicomSeg');
        for (const key of keyList(keys)) {
          const request = {
            ...options,
            file: fileOf(subject, key),
            id: subject.id,
            key,
            series,
            volume: volumeOf(subject, key),
          };
          const warnings = await runtime.on('io', () => runtime.run(writeSegTask, request));
          for (const warning of warnings) runtime.settings.onWarning?.(warning);
        }
      },
      files: (subject) => keyList(keys).map((key) => fileOf(subject, key)),
    };
  },
});
