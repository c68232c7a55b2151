/**
 * The quantile `q` (0 to 1) of sorted numbers, linearly interpolated between neighbours, the default of numpy
 * and PyTorch. NaN if there are no numbers; infinite between a finite and an infinite neighbour.
 */
export function quantileOf(sorted: ArrayLike<number>, q: number): number {
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const weight = place - below;
  const low = sorted[below] ?? Number.NaN;
  if (weight === 0) return low;
  const high = sorted[below + 1];
  return low === high ? low : low + weight * (high - low);
}
