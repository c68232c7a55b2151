/**
 * Blends two rows of `count` numbers, which begin at `low` and `high` in `rows`, into `out`, beginning at
 * `to`.
 *
 * Eight numbers per iteration: V8 does not unroll loops, and the loop itself would take half of the time.
 */
export function blendRows(
  rows: Float64Array,
  low: number,
  high: number,
  lowWeight: number,
  highWeight: number,
  count: number,
  out: Float64Array,
  to: number,
): void {
  let i = 0;
  for (; i <= count - 8; i += 8) {
    const a = low + i;
    const b = high + i;
    const c = to + i;
    out[c] = rows[a] * lowWeight + rows[b] * highWeight;
    out[c + 1] = rows[a + 1] * lowWeight + rows[b + 1] * highWeight;
    out[c + 2] = rows[a + 2] * lowWeight + rows[b + 2] * highWeight;
    out[c + 3] = rows[a + 3] * lowWeight + rows[b + 3] * highWeight;
    out[c + 4] = rows[a + 4] * lowWeight + rows[b + 4] * highWeight;
    out[c + 5] = rows[a + 5] * lowWeight + rows[b + 5] * highWeight;
    out[c + 6] = rows[a + 6] * lowWeight + rows[b + 6] * highWeight;
    out[c + 7] = rows[a + 7] * lowWeight + rows[b + 7] * highWeight;
  }
  for (; i < count; i++) out[to + i] = rows[low + i] * lowWeight + rows[high + i] * highWeight;
}
