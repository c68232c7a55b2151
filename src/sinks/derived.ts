import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Case, fileNameOf, type SeriesFiles, volumeOf } from '../case.js';
import { DataError } from '../errors.js';
import type { DerivedRequest } from '../formats/dicom/derived.js';
import { showFile } from '../formats/inputFiles.js';
import type { OptionTypes, OptionValues } from '../options.js';
import { codeType } from '../optionTypes.js';
import type { Task } from '../runtime/task.js';
import type { SinkSpec } from './define.js';

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
    .record(z.string(), codeType)
    .default({})
    .describe("Codes by label name, before those of the model's card and the built-in table (SNOMED CT)"),
  emptySegments: z
    .enum(['keep', 'omit'])
    .default('keep')
    .describe('Labels without a voxel: keep them, so that numbers are the same in all files, or omit them'),
} satisfies OptionTypes;

type DerivedOptions = OptionValues<typeof derivedOptions>;

/** Writes an object in a worker thread, and returns warnings. */
export type DerivedTask = Task<(request: DerivedRequest) => Promise<readonly string[]>>;

/** The file of a case's label map, CASE_KEY and a postfix. */
function fileOf({ dir }: DerivedOptions, output: string, id: string, key: string, postfix: string): string {
  return join(resolve(output, dir), `${fileNameOf(id)}_${key}${postfix}.dcm`);
}

/**
 * What sinks of DICOM objects do: they write a file for each label map, in a worker thread.
 *
 * @param postfix What follows the key in a file's name.
 */
export function derivedSink(
  name: string,
  write: DerivedTask,
  postfix: string,
): Pick<SinkSpec<typeof derivedOptions>, 'targets' | 'open'> {
  const filesOf = (options: DerivedOptions, output: string, { id }: Pick<Case, 'id'>) =>
    [options.keys].flat().map((key) => fileOf(options, output, id, key, postfix));
  return {
    targets: (options, output) => ({ ofCase: (subject) => filesOf(options, output, subject) }),
    open: async (options, { output, runtime }) => ({
      async write(subject) {
        const { keys, image, dir: _, ...rest } = options;
        const series = seriesOf(subject, image, name);
        for (const key of [keys].flat()) {
          const file = fileOf(options, output, subject.id, key, postfix);
          const request = { ...rest, file, id: subject.id, key, series, volume: volumeOf(subject, key) };
          const warnings = await runtime.run(write, request);
          for (const warning of warnings) runtime.settings.onWarning?.(warning);
        }
      },
      files: (subject) => filesOf(options, output, subject),
    }),
  };
}

/** The series under a key. Throws DataError if the case has none. */
export function seriesOf(subject: Case, key: string, sinkName: string): SeriesFiles {
  const file = subject.files[key];
  if (typeof file === 'object' && 'series' in file) return file;
  throw new DataError(
    `${sinkName}: the ${key} of case ${subject.id} ${file === undefined ? 'has no files' : `was read from ${showFile(file)}`}, but a DICOM ` +
      'series was expected. Use the source dicom, or name the key of the series with "image".',
  );
}
