import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import { labelNumber } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { joinLabels as kernel } from '../volume/joinLabels.js';
import { operator } from './define.js';
import { foresee } from './forecast.js';
import { mapCase } from './map.js';
import { labelNames } from './nameLabels.js';

const joinLabelsTask = task(new URL('../volume/joinLabels.js', import.meta.url), kernel);

const labelMap = z.record(z.string().regex(/^\d+$/, 'whole numbers as labels'), labelNumber.max(65_535));

/**
 * Adds the labels of one model to those of others, e.g. of a structure that several models segment in parts.
 * `map` gives the label in the result for each label of the part; labels that it does not name become 0.
 * Where the new label is not 0, it overwrites what earlier parts wrote. Without an earlier part, the result
 * begins empty.
 *
 * @throws DataError, on the stream, if the label maps are on different grids.
 */
export const joinLabels = operator({
  name: 'joinLabels',
  summary: 'Adds the label map of one model to the label map of all models.',
  options: {
    key: z.string().min(1).default('part').describe('The label map to add'),
    map: labelMap.describe('The label in the result for each label of the part; others become 0'),
    names: labelNames.optional().describe('Names of all labels of the result. Default: unchanged'),
    output: z.string().min(1).default('pred').describe('The label map of all parts'),
  },
  example: { key: 'part', map: { 1: 5, 2: 7 }, names: { 5: 'liver', 7: 'pancreas' } },
  forecast:
    ({ key, map, output }) =>
    (subject) => {
      const part = subject.volumes[key];
      const bytesPerVoxel = Math.max(0, ...Object.values(map)) > 255 ? 2 : 1;
      return part ? foresee(subject, { [output]: { ...part, bytesPerVoxel, kind: 'label' } }) : subject;
    },
  create: ({ key, map, names, output }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const part = volumeOf(subject, key);
      const whole = subject.volumes[output];
      if (whole && !sameGrid(part, whole)) {
        throw new DataError(
          `joinLabels: ${key} (${part.size.join(' x ')} voxels) and ${output} (${whole.size.join(' x ')}) of case ` +
            `${subject.id} are on different grids. Bring them to one grid first.`,
        );
      }
      const before = [whole?.data.BYTES_PER_ELEMENT === 2 ? 256 : 0];
      const largest = Math.max(...before, ...Object.values(map));
      const joined = await context.runtime.run(joinLabelsTask, part, map, largest, whole);
      const labelNames = names ?? whole?.labelNames;
      return withVolumes(subject, { [output]: { ...joined, labelNames } });
    }),
});
