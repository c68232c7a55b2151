import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Case, chooseKeys, fileNameOf, volumeOf } from '../case.js';
import { DataError } from '../errors.js';
import { writeNifti } from '../formats/writeNifti.js';
import type { OptionValues } from '../options.js';
import { byKey, forKey, namePart } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { type VoxelType, voxelTypes } from '../volume/volume.js';
import { type Sink, type SinkContext, sink } from './define.js';

const writeNiftiTask = task(new URL('../formats/writeNifti.js', import.meta.url), writeNifti);

const dtypes = ['auto', ...Object.keys(voxelTypes)] as ['auto', ...VoxelType[]];

const options = {
  keys: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .default('pred')
    .describe('Volumes to write'),
  dir: z.string().default('').describe("Folder, relative to the run's. Default: the run's own"),
  postfix: byKey(namePart)
    .optional()
    .describe("What follows the case's name, or a map by key; empty for nothing. Default: the key"),
  separateFolder: z.boolean().default(false).describe('Put each case into a folder of its own'),
  dtype: z
    .enum(dtypes)
    .default('auto')
    .describe('Voxel type; auto is the smallest unsigned integer for labels, float32 for the rest'),
};

type Options = OptionValues<typeof options>;

/**
 * A sink that writes volumes as NIfTI-1 files on their own grid, with the header's orientation codes of the
 * file they derive from. A file appears whole or not at all. For plain RxJS: `pipe(…, saveTo(niftiSink('out',
 * { keys: 'image' })))`.
 *
 * @throws OptionError when built, for options out of range; DataError, on the stream, when a file cannot be
 * written or voxels do not fit `dtype`.
 */
export const niftiSink = sink({
  name: 'nifti',
  summary: 'Writes volumes as NIfTI files, CASE_POSTFIX.nii.gz.',
  options,
  example: { keys: 'pred', postfix: 'seg', dtype: 'uint8' },
  targets: (options, output) => ({
    ofCase: (subject) => [options.keys].flat().map((key) => fileOf(options, output, subject, key)),
  }),
  open: async (options, context) => openNifti(options, context),
});

/** The file of one volume of a case. */
function fileOf(
  { dir, separateFolder, postfix }: Options,
  output: string,
  { id }: Pick<Case, 'id'>,
  key: string,
): string {
  const name = fileNameOf(id);
  const ending = forKey(postfix, key) ?? key;
  const file = ending === '' ? name : `${name}_${ending}`;
  return join(resolve(output, dir), separateFolder ? name : '', `${file}.nii.gz`);
}

function openNifti(options: Options, context: SinkContext): Sink {
  const { dtype } = options;
  const keysOf = (subject: Case) => chooseKeys(subject, options.keys, []);
  return {
    async write(subject) {
      const files = keysOf(subject).map((key) => fileOf(options, context.output, subject, key));
      const twice = files.find((file, i) => files.indexOf(file) !== i);
      if (twice) {
        throw new DataError(
          `nifti: two volumes of case ${subject.id} would both be written to ${twice}; give each key a postfix of its own.`,
        );
      }
      await Promise.all(
        keysOf(subject).map((key, i) =>
          context.runtime.run(writeNiftiTask, files[i], volumeOf(subject, key), { dtype }),
        ),
      );
    },
    volumes: (subject) =>
      Object.fromEntries(keysOf(subject).map((key) => [key, fileOf(options, context.output, subject, key)])),
  };
}
