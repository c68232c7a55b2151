import { join } from 'node:path';
import { z } from 'zod';
import { type Case, fileNameOf, volumeOf } from '../case.js';
import { DataError } from '../errors.js';
import { task } from '../runtime/task.js';
import { sink } from './define.js';
import { nnunetProperties } from './nnunetProperties.js';

const writeProbabilitiesTask = task<typeof import('./writeProbabilities.js').writeProbabilities>(
  new URL('./writeProbabilities.js', import.meta.url),
  'writeProbabilities',
);

/**
 * A sink that writes probabilities as nnU-Net's `--save_probabilities` does: `CASE.npz` with the array
 * `probabilities`, float32 [class, z, y, x], and `CASE.pkl` with the geometry, which `nnUNetv2_ensemble`
 * reads.
 *
 * The axes of the array are those of the reader: `NibabelIOWithReorient` turns images to RAS.
 *
 * @throws DataError, on the stream, if the volume does not hold probabilities, or a file cannot be written.
 */
export const nnunetProbabilitiesSink = sink({
  name: 'nnunetProbabilities',
  summary: 'Writes probabilities as nnU-Net saves them, CASE.npz and CASE.pkl.',
  options: {
    key: z.string().min(1).default('probabilities').describe('The volume to write'),
    image: z
      .string()
      .min(1)
      .default('image')
      .describe('The preprocessed image, whose geometric steps are saved'),
    reader: z
      .enum(['SimpleITKIO', 'NibabelIO', 'NibabelIOWithReorient'])
      .default('SimpleITKIO')
      .describe('The reader of the plans, which decides the axes of the array'),
  },
  example: {},
  targets: (_, output) => ({ ofCase: (subject) => filesOf(output, subject) }),
  open: async ({ key, image, reader }, { output, runtime }) => ({
    async write(subject) {
      const volume = volumeOf(subject, key);
      if (volume.kind !== 'probability') {
        throw new DataError(
          `nnunetProbabilities: ${key} of case ${subject.id} holds ${volume.kind} values, but probabilities are ` +
            'expected. The step probabilities makes them.',
        );
      }
      const { size, affine, origin, history } = volumeOf(subject, image);
      const properties = nnunetProperties({ size, affine, origin, history }, reader);
      const stem = join(output, fileNameOf(subject.id));
      await runtime.run(writeProbabilitiesTask, stem, volume, reader, properties);
    },
    files: (subject) => filesOf(output, subject),
  }),
});

function filesOf(output: string, { id }: Pick<Case, 'id'>): string[] {
  return ['.npz', '.pkl'].map((ending) => join(output, `${fileNameOf(id)}${ending}`));
}
