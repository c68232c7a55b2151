/** Adds values to those in `out`. */
export function addTo_(out: Float32Array, values: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] += values[i];
}

/** Divides values by the number of models that were added up. */
export function divideBy_(out: Float32Array, count: number): void {
  for (let i = 0; i < out.length; i++) out[i] /= count;
}
