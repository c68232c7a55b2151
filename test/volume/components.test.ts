import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Connectivity, connectedComponents } from '#src/volume/components.js';
import { Random } from '#src/volume/random.js';
import type { Vec3 } from '#src/volume/volume.js';

const mask = (text: string) => Uint8Array.from(text.replaceAll(/\s/g, ''), Number);
const sizes = (voxels: Uint8Array, size: Vec3, connectivity: Connectivity) => [
  ...connectedComponents(voxels, size, connectivity).sizes,
];

test('connectedComponents joins voxels by faces, edges or corners', () => {
  // Two slices of 3 x 2: (0,0,0); (1,1,0) shares an edge with it; (2,0,1) shares a corner with (1,1,0).
  const voxels = mask('100 010  001 000');
  assert.equal(sizes(voxels, [3, 2, 2], 1), [1, 1, 1]);
  assert.equal(sizes(voxels, [3, 2, 2], 2), [2, 1]);
  assert.equal(sizes(voxels, [3, 2, 2], 3), [3]);
});

test('connectedComponents joins branches that meet late, and keeps those that only wrap around a row apart', () => {
  assert.equal(sizes(mask('101 101 111'), [3, 3, 1], 1), [7]);
  assert.equal(sizes(mask('001 100'), [3, 2, 1], 3), [1, 1]);
  assert.equal(sizes(mask('00 01  10 00'), [2, 2, 2], 1), [1, 1]);
});

test('connectedComponents of an empty mask are none, of a full one all', () => {
  assert.equal(sizes(new Uint8Array(24), [2, 3, 4], 3), []);
  assert.equal(sizes(new Uint8Array(24).fill(1), [2, 3, 4], 1), [24]);
});

test('connectedComponents agrees with flooding on random masks', () => {
  const random = new Random(5);
  for (const connectivity of [1, 2, 3] as const) {
    for (let round = 0; round < 30; round++) {
      const size: Vec3 = [1 + random.integer(7), 1 + random.integer(6), 1 + random.integer(5)];
      const density = random.uniform();
      const voxels = Uint8Array.from({ length: size[0] * size[1] * size[2] }, () =>
        random.uniform() < density ? 1 : 0,
      );
      const { starts, lengths, ids } = connectedComponents(voxels, size, connectivity);
      const found = new Int32Array(voxels.length).fill(-1);
      starts.forEach((start, run) => {
        found.fill(ids[run], start, start + lengths[run]);
      });
      assert.equal(found, flood(voxels, size, connectivity));
    }
  }
});

/** The component of each voxel, -1 outside, by flooding from each voxel in turn. */
function flood(voxels: Uint8Array, [nx, ny, nz]: Vec3, connectivity: Connectivity): Int32Array {
  const ids = new Int32Array(voxels.length).fill(-1);
  let count = 0;
  for (let seed = 0; seed < voxels.length; seed++) {
    if (!voxels[seed] || ids[seed] >= 0) continue;
    const open = [seed];
    ids[seed] = count;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const [x, y, z] = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
      for (let step = 0; step < 27; step++) {
        const [dx, dy, dz] = [(step % 3) - 1, (Math.floor(step / 3) % 3) - 1, Math.floor(step / 9) - 1];
        if (Math.abs(dx) + Math.abs(dy) + Math.abs(dz) > connectivity) continue;
        const [u, v, w] = [x + dx, y + dy, z + dz];
        if (u < 0 || v < 0 || w < 0 || u >= nx || v >= ny || w >= nz) continue;
        const next = (w * ny + v) * nx + u;
        if (!voxels[next] || ids[next] >= 0) continue;
        ids[next] = count;
        open.push(next);
      }
    }
    count++;
  }
  return ids;
}

test.run();
