import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { invertAffine, transformPoint } from '#src/volume/affine.js';
import type { Affine, Vec3, Volume } from '#src/volume/volume.js';
import { root } from '../e2e/harness.js';

/** What nibabel reads of a file in test/fixtures/formats, or numpy wrote; see make.py there. */
export interface ExpectedImage {
  readonly size: Vec3;
  readonly channels: number;
  readonly type: string;
  readonly values: readonly number[];
  readonly affine?: Affine;
}

const folder = join(root, 'test/fixtures/formats');

export const fixturePath = (name: string): string => join(folder, name);

export const expectedImages: Readonly<Record<string, ExpectedImage>> = JSON.parse(
  readFileSync(fixturePath('expected.json'), 'utf8'),
);

/** Asserts that two arrays of numbers are equal up to `tolerance`. */
export function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.is(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) {
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance,
      `${actual[i]} at ${i} is not within ${tolerance} of ${expected[i]}`,
    );
  }
}

/** Asserts that each voxel has the value that another reader finds at its position, in any order of axes. */
export function sameInSpace(
  volume: Volume,
  { size, affine, values }: ExpectedImage,
  tolerance: number,
): void {
  assert.is(volume.data.length, values.length);
  const toIndex = invertAffine(affine!)!;
  const [nx, ny, nz] = volume.size;
  let i = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, i++) {
        const index = transformPoint(toIndex, transformPoint(volume.affine, [x, y, z]));
        const at = index.map(Math.round);
        close(index, at, 1e-4);
        const expected = values[at[0] + size[0] * (at[1] + size[1] * at[2])];
        assert.ok(Math.abs(volume.data[i] - expected) <= tolerance, `${volume.data[i]} is not ${expected}`);
      }
    }
  }
}
