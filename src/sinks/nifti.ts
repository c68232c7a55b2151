import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Case, chooseKeys, fileNameOf, volumeOf } from '../case.js';
import { DataError } from '../errors.js';
import { writeNifti } from '../formats/writeNifti.js';
import type { OptionValues } from '../options.js';
import { byKey, forKey, namePart } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { type Volume, type VoxelType, voxelTypes } from '../volume/volume.js';
import { type Sink, type SinkContext, sink } from './define.js';
import { writeMasks } from './masks.js';

const writeNiftiTask = task(new URL('../formats/writeNifti.js', import.meta.url), writeNifti);

const dtypes = ['auto', ...Object.keys(voxelTypes)] as ['auto', ...VoxelType[]];

const options = {
  keys: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .default('pred')
    .describe('Volumes to write'),
  dir: z
    .string()
    .default('')
    .describe("Folder of the files, relative to the run's folder. Default: the run's folder"),
  postfix: byKey(namePart)
    .optional()
    .describe("What follows the case's name, or a map by key; empty for nothing. Default: the key"),
  separateFolder: z.boolean().default(false).describe('Put each case into a separate folder'),
  perLabel: z
    .boolean()
    .default(false)
    .describe(
      'Write one mask per label into a folder instead: CASE_POSTFIX/NAME.nii.gz, also for named labels without voxels',
    ),
  labelTable: z
    .boolean()
    .default(false)
    .describe(
      'Store the names of labels in the file, as TotalSegmentator does: an extension of the header with a LabelTable',
    ),
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
 * With `perLabel`, a label map becomes a folder of masks, one for each label that has a name or occurs, as
 * TotalSegmentator writes them. Labels without a name are called `label_N`. Masks of several volumes share a
 * folder if their postfixes are the same.
 *
 * @throws OptionError when built, for options out of range; DataError, on the stream, when a file cannot be
 * written, voxels do not fit `dtype`, or a volume for `perLabel` has no labels.
 */
export const niftiSink = sink({
  name: 'nifti',
  summary: 'Writes volumes as NIfTI files, CASE_POSTFIX.nii.gz.',
  options,
  example: { keys: 'pred', postfix: 'seg', dtype: 'uint8' },
  targets: (options, output) => ({
    ofCase: (subject) => {
      const targets = [options.keys].flat().map((key) => targetOf(options, output, subject, key));
      // Masks of several volumes may share a folder.
      return options.perLabel ? [...new Set(targets)] : targets;
    },
  }),
  open: async (options, context) => openNifti(options, context),
});

/** The file of one volume of a case; with `perLabel`, the folder of its masks. */
function targetOf(
  { dir, separateFolder, postfix, perLabel }: Options,
  output: string,
  { id }: Pick<Case, 'id'>,
  key: string,
): string {
  const name = fileNameOf(id);
  const ending = forKey(postfix, key) ?? key;
  const file = ending === '' ? name : `${name}_${ending}`;
  return join(resolve(output, dir), separateFolder ? name : '', perLabel ? file : `${file}.nii.gz`);
}

function openNifti(options: Options, context: SinkContext): Sink {
  const { dtype, perLabel, labelTable } = options;
  const { runtime } = context;
  const keysOf = (subject: Case) => chooseKeys(subject, options.keys, []);
  /** The masks that were written, by case. */
  const masks = new Map<string, readonly string[]>();
  return {
    async write(subject) {
      const targets = keysOf(subject).map((key) => targetOf(options, context.output, subject, key));
      const twice = targets.find((file, i) => targets.indexOf(file) !== i);
      if (twice && !perLabel) {
        throw new DataError(
          `nifti: two volumes of case ${subject.id} would both be written to ${twice}; give each key a different postfix.`,
        );
      }
      const taken = new Map<string, string>();
      const written = keysOf(subject).map(async (key, i): Promise<readonly string[]> => {
        const volume = volumeOf(subject, key);
        if (perLabel) {
          return writeMasks({ runtime, folder: targets[i], key, dtype, taken }, withNames(volume, subject));
        }
        await runtime.run(writeNiftiTask, targets[i], volume, { dtype, labelTable });
        return [];
      });
      masks.set(subject.id, (await Promise.all(written)).flat());
    },
    files: ({ id }) => masks.get(id) ?? [],
    volumes: (subject) =>
      perLabel
        ? {}
        : Object.fromEntries(
            keysOf(subject).map((key) => [key, targetOf(options, context.output, subject, key)]),
          ),
  };
}

/** The volume with the names of its labels, or else those of the dataset. */
function withNames(volume: Volume, { labelNames }: Case): Volume {
  return volume.labelNames || !labelNames ? volume : { ...volume, labelNames };
}
