import { allocate, channelsOf, type Vec3, type Volume, voxelCount } from './volume.js';

/** The number of coefficients of a field of a degree: those of all products of total degree up to it. */
export function biasCoefficients(degree: number): number {
  return ((degree + 1) * (degree + 2) * (degree + 3)) / 6;
}

/**
 * Multiplies every channel by the exponential of a smooth field, a sum of products of Legendre polynomials
 * along the axes, each from -1 to 1; as float32. MONAI's `RandBiasField`.
 *
 * @param coefficients Those of all products of total degree up to `degree`: of x slowest, z fastest.
 */
export function applyBiasField(volume: Volume, degree: number, coefficients: readonly number[]): Volume {
  const data = allocate('float32', volume.data.length);
  const channels = channelsOf(volume);
  const count = voxelCount(volume.size);
  eachRow(volume.size, degree, coefficients, (row, field) => {
    for (let c = 0; c < channels.length; c++) {
      const from = channels[c];
      const to = c * count + row;
      for (let i = 0; i < field.length; i++) data[to + i] = from[row + i] * field[i];
    }
  });
  return { ...volume, data };
}

/** Visits each row of voxels with the exponential of the field. */
function eachRow(
  [nx, ny, nz]: Vec3,
  degree: number,
  coefficients: readonly number[],
  visit: (row: number, field: Float64Array) => void,
): void {
  const [xs, ys, zs] = [nx, ny, nz].map((n) => legendre(n, degree));
  const field = new Float64Array(nx);
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      field.fill(0);
      let at = 0;
      for (let i = 0; i <= degree; i++) {
        let factor = 0;
        for (let j = 0; i + j <= degree; j++) {
          let inner = 0;
          for (let k = 0; i + j + k <= degree; k++) inner += coefficients[at++] * zs[k][z];
          factor += inner * ys[j][y];
        }
        const values = xs[i];
        for (let x = 0; x < nx; x++) field[x] += factor * values[x];
      }
      for (let x = 0; x < nx; x++) field[x] = Math.exp(field[x]);
      visit((z * ny + y) * nx, field);
    }
  }
}

/** The Legendre polynomials of degree 0 to `degree`, at `n` places from -1 to 1 (one is at -1). */
function legendre(n: number, degree: number): Float64Array[] {
  const places = Float64Array.from({ length: n }, (_, i) =>
    n > 1 ? Math.fround((2 * i) / (n - 1) - 1) : -1,
  );
  const polynomials = [places.map(() => 1), places];
  for (let k = 2; k <= degree; k++) {
    const [before, last] = polynomials.slice(k - 2, k);
    polynomials.push(places.map((x, i) => ((2 * k - 1) * x * last[i] - (k - 1) * before[i]) / k));
  }
  return polynomials;
}
