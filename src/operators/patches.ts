import type { Case } from '../case.js';
import { volumeOf } from '../case.js';
import { DataError, show } from '../errors.js';
import { sameGrid } from '../volume/affine.js';
import type { PatchPlan } from '../volume/patches.js';
import type { Triple, Vec3, Volume } from '../volume/volume.js';
import type { StepContext } from './define.js';
import { bytesOf, type Forecaster, foresee, onGrid } from './forecast.js';
import { cropOrPadTask } from './spatialPad.js';

/** Throws DataError unless all volumes are on the grid of the one that positions are chosen in. */
export function assertOneGrid(
  context: StepContext,
  subject: Case,
  reference: string,
  keys: readonly string[],
): void {
  const grid = volumeOf(subject, reference);
  for (const key of keys) {
    const other = volumeOf(subject, key);
    if (sameGrid(other, grid)) continue;
    const sizesDiffer = other.size.some((n, axis) => n !== grid.size[axis]);
    const tell = ({ size, affine }: Volume) =>
      sizesDiffer ? `${size.join(' x ')} voxels` : `the affine ${show(affine, 300)}`;
    throw new DataError(
      `${context.id}: in case ${subject.id}, ${key} has ${tell(other)}, but ${reference} has ${tell(grid)}. ` +
        'Patches and crops need volumes on the same grid; resampleToMatch brings them together.',
    );
  }
}

/** The patches of a case as cases, `ID#0`, `ID#1` and so on. */
export function cutPatches(
  { runtime }: StepContext,
  subject: Case,
  keys: readonly string[],
  plan: PatchPlan,
): Promise<Case[]> {
  return Promise.all(
    plan.starts.map(async (start, sample) => {
      const volumes: Record<string, Volume> = { ...subject.volumes };
      for (const key of keys) {
        volumes[key] = await runtime.run(cropOrPadTask, volumeOf(subject, key), start, plan.size);
      }
      return { ...subject, id: `${subject.id}#${sample}`, volumes };
    }),
  );
}

/**
 * Predicts `count` patches, which are all there at once. The volumes that they are cut from stay until the
 * last one is made.
 */
export function foreseePatches(spatialSize: Vec3, count: number, keys: readonly string[]): Forecaster {
  return (subject) => {
    const chosen = keys.filter((key) => key in subject.volumes);
    const patches = chosen.map((key) => {
      const volume = subject.volumes[key];
      const size = volume.size.map((n, axis) =>
        spatialSize[axis] > 0 ? Math.min(spatialSize[axis], n) : n,
      ) as Triple;
      return [key, onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start: [0, 0, 0] })] as const;
    });
    const others = patches.reduce((sum, [, patch]) => sum + (count - 1) * bytesOf(patch), 0);
    return foresee(subject, Object.fromEntries(patches), others);
  };
}
