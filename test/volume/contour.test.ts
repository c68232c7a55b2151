import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { labelToContour } from '#src/volume/contour.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';

const values = ({ data }: { data: ArrayLike<number> }) => Array.from(data);

/** The contour by MONAI's definition, a convolution with -1 and 26 in the middle. */
function slowly({ data, size: [nx, ny, nz] }: Volume): number[] {
  const at = (x: number, y: number, z: number) =>
    x < 0 || y < 0 || z < 0 || x >= nx || y >= ny || z >= nz ? 0 : data[(z * ny + y) * nx + x];
  const out: number[] = [];
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++) {
        let sum = 27 * at(x, y, z);
        for (let n = 0; n < 27; n++)
          sum -= at(x + (n % 3) - 1, y + (Math.floor(n / 3) % 3) - 1, z + Math.floor(n / 9) - 1);
        out.push(Math.min(Math.max(sum, 0), 1));
      }
    }
  }
  return out;
}

test('labelToContour equals a convolution, for every size of axis', () => {
  for (const size of [
    [5, 4, 6],
    [1, 4, 3],
    [4, 1, 1],
    [3, 3, 2],
  ] as const) {
    const data = Uint8Array.from(
      { length: size[0] * size[1] * size[2] },
      (_, i) => ((i * 7) % 11 > 4 ? 1 : 0) + (i % 3),
    );
    const label = makeVolume({ data, size, kind: 'label' });
    assert.equal(values(labelToContour(label)), slowly(label), size.join());
  }
});

test('labelToContour keeps fractions of images', () => {
  const image = makeVolume({ data: Float32Array.of(0, 0.01, 0), size: [3, 1, 1] });
  const [, middle] = values(labelToContour(image));
  assert.ok(Math.abs(middle - 0.26) < 1e-6);
});

test.run();
