/** The result of a Wilcoxon signed-rank test. */
export interface SignedRankTest {
  /** The number of differences that are not zero. Zeros are dropped, as in Wilcoxon's paper. */
  readonly n: number;
  /** The sum of the ranks of positive differences. */
  readonly positiveRanks: number;
  /** The two-sided p-value; null if all differences are zero. */
  readonly p: number | null;
}

/** The p-value is exact up to this number of differences. */
const exactUpTo = 200;

/**
 * The Wilcoxon signed-rank test (Biometrics Bulletin 1, 1945) of whether paired differences are centred on
 * zero. Equal sizes share their ranks. The p-value is exact for up to 200 differences. Above, it is a normal
 * approximation with the variance corrected for ties.
 */
export function signedRankTest(differences: readonly number[]): SignedRankTest {
  const nonzero = differences.filter((value) => value !== 0).sort((a, b) => Math.abs(a) - Math.abs(b));
  const n = nonzero.length;
  if (n === 0) return { n, positiveRanks: 0, p: null };
  const ranks = sharedRanks(nonzero.map(Math.abs));
  const positiveRanks = ranks.reduce((sum, rank, i) => sum + (nonzero[i] > 0 ? rank : 0), 0);
  const p = n <= exactUpTo ? exactP(ranks, positiveRanks) : normalP(ranks, positiveRanks);
  return { n, positiveRanks, p };
}

/** The ranks of ascending numbers, from 1. Equal numbers share the mean of their ranks. */
function sharedRanks(ascending: readonly number[]): number[] {
  const ranks: number[] = [];
  while (ranks.length < ascending.length) {
    const first = ranks.length;
    let end = first + 1;
    while (end < ascending.length && ascending[end] === ascending[first]) end++;
    for (let i = first; i < end; i++) ranks.push((first + 1 + end) / 2);
  }
  return ranks;
}

/**
 * The two-sided p-value from the distribution of the rank sum over all choices of signs, which are equally
 * likely. Sums are counted in half ranks, so that they are whole numbers.
 */
function exactP(ranks: readonly number[], sum: number): number {
  const total = 2 * ranks.reduce((all, rank) => all + rank, 0);
  const shares = new Float64Array(total + 1);
  shares[0] = 1;
  for (const rank of ranks) {
    const step = 2 * rank;
    for (let k = total; k >= 0; k--) shares[k] = (shares[k] + (k >= step ? shares[k - step] : 0)) / 2;
  }
  let below = 0;
  let above = 0;
  for (let k = 0; k <= total; k++) {
    if (k <= 2 * sum) below += shares[k];
    if (k >= 2 * sum) above += shares[k];
  }
  return Math.min(1, 2 * Math.min(below, above));
}

function normalP(ranks: readonly number[], sum: number): number {
  const mean = ranks.reduce((all, rank) => all + rank, 0) / 2;
  // A quarter of the sum of squared ranks is the variance, also with ties.
  const variance = ranks.reduce((all, rank) => all + rank * rank, 0) / 4;
  return upperTail(Math.abs(sum - mean) / Math.sqrt(variance)) * 2;
}

/**
 * The probability that a standard normal number exceeds z ≥ 0: a series for the error function, or a
 * continued fraction.
 */
function upperTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
      term *= (z * z) / (2 * k + 1);
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = z;
  for (let k = 100; k > 0; k--) fraction = z + k / fraction;
  return density / fraction;
}
