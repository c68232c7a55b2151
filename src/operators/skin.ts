import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { skinOf } from '../volume/morphology.js';
import { operator } from './define.js';
import { foresee } from './forecast.js';
import { mapCase } from './map.js';

const skinTask = task(new URL('../volume/morphology.js', import.meta.url), skinOf);

/**
 * Adds the skin of a body: its outer voxels in which a CT is between -200 and 250 HU. The body (not 0) is
 * grown by one voxel, what remains after shrinking it three times is left out, and components of up to 5
 * voxels are removed. TotalSegmentator's `extract_skin`.
 *
 * @throws DataError, on the stream, if the body is not on the grid of the CT.
 */
export const skin = operator({
  name: 'skin',
  summary: 'Adds the skin of a body: its outer voxels with the density of skin.',
  options: {
    body: z.string().min(1).default('pred').describe('The body: voxels that are not 0'),
    image: z.string().min(1).default('image').describe('The CT, in HU'),
    output: z.string().min(1).default('skin').describe('The key of the result'),
  },
  example: { body: 'pred', image: 'image' },
  forecast:
    ({ body, output }) =>
    (subject) => {
      const volume = subject.volumes[body];
      if (!volume) return subject;
      const made = { ...volume, channels: 1, bytesPerVoxel: 1 };
      return foresee(subject, { [output]: made }, 4 * volume.size[0] * volume.size[1] * volume.size[2]);
    },
  create: ({ body, image, output }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const [mask, ct] = [volumeOf(subject, body), volumeOf(subject, image)];
      if (!sameGrid(mask, ct)) {
        throw new DataError(
          `skin: ${body} (${mask.size.join(' x ')} voxels) of case ${subject.id} is not on the grid of ${image} ` +
            `(${ct.size.join(' x ')}).`,
        );
      }
      return withVolumes(subject, { [output]: await context.runtime.run(skinTask, mask, ct) });
    }),
});
