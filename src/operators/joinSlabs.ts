import { concatMap, defer, EMPTY, of } from 'rxjs';
import { type Case, volumeOf, withVolumes } from '../case.js';
import { keysType } from '../optionTypes.js';
import { placeSlab } from '../volume/slabs.js';
import { allocateLike, type Volume, voxelCount } from '../volume/volume.js';
import { operator } from './define.js';
import { mapCase } from './map.js';

/**
 * Joins the results of the slabs that `splitSlabs` made: each slice of a label map comes from the slab that
 * it belongs to. The joined case has the joined volumes, and otherwise the volumes that its last slab has. A
 * case that was not split passes unchanged.
 */
export const joinSlabs = operator({
  name: 'joinSlabs',
  summary: 'Joins the label maps of the slabs that splitSlabs made.',
  options: { keys: keysType('pred') },
  example: {},
  create:
    ({ keys = ['pred'] }, context) =>
    (source) =>
      defer(() => {
        const joined: Record<string, Volume> = {};
        let timings: Case['timings'] = {};
        return source.pipe(
          mapCase(context, 'cpu', async (subject) => {
            const { slabs } = subject;
            if (!slabs) return subject;
            const { plan, index, from } = slabs;
            for (const key of [keys].flat()) {
              const part = volumeOf(subject, key);
              if (index === 0) {
                const data = allocateLike(part.data, voxelCount(from.size) * part.channels);
                joined[key] = { ...part, ...from, data, history: [] };
              }
              placeSlab(part, plan[index], joined[key]);
            }
            return subject;
          }),
          concatMap((subject) => {
            const { slabs, ...whole } = subject;
            if (!slabs) return of(subject);
            timings = slabs.index === 0 ? subject.timings : added(timings, subject.timings, slabs.timings);
            if (slabs.index < slabs.plan.length - 1) return EMPTY;
            return of({ ...withVolumes(whole, joined), timings });
          }),
        );
      }),
});

/** The seconds of two slabs, without those from before the split, which both have. */
function added(sum: Case['timings'], one: Case['timings'], before: Case['timings']): Case['timings'] {
  const all = Object.entries(one).map(([step, seconds]) => [
    step,
    (sum[step] ?? 0) + seconds - (sum[step] === undefined ? 0 : (before[step] ?? 0)),
  ]);
  return Object.fromEntries(all);
}
