import { z } from 'zod';
import { operator } from './define.js';
import { mapCase } from './map.js';

/**
 * Removes volumes from the case, which frees their memory. Keys that the case does not have are ignored.
 *
 * Mirrors MONAI's `DeleteItemsd` without `sep` and `use_re`.
 */
export const deleteItems = operator({
  name: 'deleteItems',
  summary: 'Removes volumes from the case, which frees their memory.',
  mirrors: 'DeleteItemsd, without sep and use_re',
  options: {
    keys: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).describe('The volumes to remove'),
  },
  example: { keys: 'coarse' },
  forecast:
    ({ keys }) =>
    (subject) => ({ ...subject, volumes: without(subject.volumes, [keys].flat()) }),
  create: ({ keys }, context) =>
    mapCase(context, 'cpu', async (subject) => ({
      ...subject,
      volumes: without(subject.volumes, [keys].flat()),
    })),
});

function without<T>(volumes: Readonly<Record<string, T>>, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(volumes).filter(([key]) => !keys.includes(key)));
}
