/**
 * The value below which a share `q` (0 to 1) of sorted numbers lies, linearly interpolated between neighbours as numpy's
 * and PyTorch's default does; NaN of no numbers. Between a finite neighbour and an infinite one it is infinite.
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
