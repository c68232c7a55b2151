import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { fileNameOf, volumeOf, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import { task } from '../runtime/task.js';
import { operator } from './define.js';
import { bytesOf, foresee, type VolumeForecast } from './forecast.js';
import { mapCase } from './map.js';

const readProbabilitiesTask = task<typeof import('../models/nnunet/readProbabilities.js').readProbabilities>(
  new URL('../models/nnunet/readProbabilities.js', import.meta.url),
  'readProbabilities',
);

/**
 * Adds the mean of the probabilities that nnU-Net, or the sink `nnunetProbabilities`, saved as `CASE.npz` in
 * several folders: an ensemble of different models.
 *
 * @throws DataError, on the stream, if a file is missing, cannot be read, or is not of the size of the image.
 */
export const loadProbabilities = operator({
  name: 'loadProbabilities',
  summary: 'Adds the mean of probabilities that nnU-Net saved in several folders.',
  options: {
    folders: z.array(z.string().min(1)).min(1).describe('Folders with CASE.npz'),
    classes: z.int().min(1).max(65_536).describe('Channels of the probabilities'),
    like: z.string().min(1).default('image').describe('A volume on the grid of the probabilities'),
    reader: z
      .enum(['SimpleITKIO', 'NibabelIO', 'NibabelIOWithReorient'])
      .default('SimpleITKIO')
      .describe('The reader of the plans, which decides the axes of the arrays'),
    output: z.string().min(1).default('pred').describe('The key of the result'),
  },
  example: { folders: ['out_2d', 'out_3d_fullres'], classes: 3 },
  forecast:
    ({ classes, like, output }) =>
    (subject) => {
      const volume = subject.volumes[like];
      if (!volume) return subject;
      const made: VolumeForecast = {
        ...volume,
        channels: classes,
        bytesPerVoxel: 4,
        kind: 'probability',
        history: [],
      };
      // One file, unpacked.
      return foresee(subject, { [output]: made }, 2 * bytesOf(made));
    },
  create: ({ folders, classes, like, reader, output }, context) =>
    mapCase(context, 'io', async (subject) => {
      const files = folders.map((folder) => join(folder, `${fileNameOf(subject.id)}.npz`));
      const missing = files.find((file) => !existsSync(file));
      if (missing) {
        throw new DataError(
          `There is no ${missing} for case ${subject.id}. Run "nnunet predict" with --save_probabilities.`,
        );
      }
      const { size, affine } = volumeOf(subject, like);
      const mean = await context.runtime.run(readProbabilitiesTask, files, { size, affine }, reader);
      if (mean.channels === classes) return withVolumes(subject, { [output]: mean });
      throw new DataError(
        `${files[0]} has probabilities of ${mean.channels} classes, but ${classes} were expected.`,
      );
    }),
});
