import { MersenneTwister } from '../volume/mersenneTwister.js';

/** The cases of a fold, by position. */
interface Fold {
  readonly train: readonly number[];
  readonly validation: readonly number[];
}

/** Number of folds that nnU-Net makes. */
export const foldCount = 5;

/**
 * The folds that nnU-Net v2 makes itself if there is no `splits_final.json`: scikit-learn's
 * `KFold(n_splits=5, shuffle=True, random_state=12345)` of the sorted cases.
 *
 * @param count Number of cases, at least 5.
 */
export function nnunetFolds(count: number): readonly Fold[] {
  const all = Array.from({ length: count }, (_, i) => i);
  const order = new MersenneTwister(12345).shuffle(all);
  let start = 0;
  return Array.from({ length: foldCount }, (_, fold) => {
    const size = Math.floor(count / foldCount) + (fold < count % foldCount ? 1 : 0);
    const held = new Set(order.slice(start, start + size));
    start += size;
    return { train: all.filter((i) => !held.has(i)), validation: all.filter((i) => held.has(i)) };
  });
}
