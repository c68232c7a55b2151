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
  const order = shuffled(count, 12345);
  const all = Array.from({ length: count }, (_, i) => i);
  let start = 0;
  return Array.from({ length: foldCount }, (_, fold) => {
    const size = Math.floor(count / foldCount) + (fold < count % foldCount ? 1 : 0);
    const held = new Set(order.slice(start, start + size));
    start += size;
    return { train: all.filter((i) => !held.has(i)), validation: all.filter((i) => held.has(i)) };
  });
}

/** The numbers below `count` in the order that numpy's `RandomState(seed).shuffle` gives them. */
function shuffled(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  const next = mersenneTwister(seed);
  for (let last = count - 1; last > 0; last--) {
    // The bits that numbers up to `last` can have. Larger draws are rejected.
    const mask = 2 ** (32 - Math.clz32(last)) - 1;
    let at = next() & mask;
    while (at > last) at = next() & mask;
    [order[last], order[at]] = [order[at], order[last]];
  }
  return order;
}

/**
 * MT19937 with its usual seeding (M. Matsumoto, T. Nishimura, ACM TOMACS 8, 1998). Returns a function that
 * draws integers of 32 bits.
 */
function mersenneTwister(seed: number): () => number {
  const [length, middle] = [624, 397];
  const state = new Uint32Array(length);
  state[0] = seed;
  for (let i = 1; i < length; i++) {
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  }
  let at = length;
  const twist = () => {
    for (let i = 0; i < length; i++) {
      const joined = (state[i] & 0x80000000) | (state[(i + 1) % length] & 0x7fffffff);
      state[i] = state[(i + middle) % length] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  };
  return () => {
    if (at === length) twist();
    let value = state[at++];
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  };
}
