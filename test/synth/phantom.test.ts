import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makePhantom, type Phantom } from '#src/synth/phantom.js';
import { spacingOf } from '#src/volume/affine.js';
import { axcodesOf } from '#src/volume/orientation.js';
import { type Vec3, voxelTypeOf } from '#src/volume/volume.js';

const size: Vec3 = [64, 64, 32];
const spleenVoxels = ({ label }: Phantom) => Array.from(label.data).filter((value) => value === 1).length;

const indexOf = (at: number, [nx, ny]: Vec3) => [
  at % nx,
  Math.floor(at / nx) % ny,
  Math.floor(at / (nx * ny)),
];

/** Mean HU of the voxels with a label, borders left out: only those whose six neighbours carry it too. */
function meanInside({ image, label }: Phantom, wanted: number): number {
  const [nx, ny, nz] = label.size;
  let sum = 0;
  let count = 0;
  for (let k = 1; k < nz - 1; k++) {
    for (let j = 1; j < ny - 1; j++) {
      for (let i = 1; i < nx - 1; i++) {
        const at = (k * ny + j) * nx + i;
        const around = [at, at - 1, at + 1, at - nx, at + nx, at - nx * ny, at + nx * ny];
        if (!around.every((place) => label.data[place] === wanted)) continue;
        sum += image.data[at];
        count++;
      }
    }
  }
  return sum / count;
}

test('the same seed gives the same bytes, another seed or index another body', () => {
  const first = makePhantom({ seed: 5, size });
  const again = makePhantom({ seed: 5, size });
  assert.equal(first.image.data, again.image.data);
  assert.equal(first.label.data, again.label.data);
  assert.equal(first.image.affine, again.image.affine);
  for (const other of [makePhantom({ seed: 6, size }), makePhantom({ seed: 5, index: 1, size })]) {
    assert.not.equal(first.image.data, other.image.data);
    assert.not.equal(spleenVoxels(first), spleenVoxels(other));
  }
});

test('a phantom is an int16 image in HU and a uint8 label on its grid', () => {
  const { image, label, labelNames } = makePhantom({ seed: 1, size });
  assert.is(voxelTypeOf(image.data), 'int16');
  assert.is(voxelTypeOf(label.data), 'uint8');
  assert.equal([image.kind, label.kind], ['image', 'label']);
  assert.equal(image.size, size);
  assert.equal(label.size, size);
  assert.equal(image.affine, label.affine);
  assert.equal(image.affine, image.affine.map(Math.fround), 'the affine survives a float32 header');
  assert.equal(labelNames, { 1: 'spleen' });
  assert.equal(new Set(label.data), new Set([0, 1]));
  const sorted = Float32Array.from(image.data).sort();
  assert.ok(sorted[0] >= -1024 && sorted[0] < -950, `air is ${sorted[0]}`);
  assert.ok(sorted[sorted.length - 1] > 200, 'bone');
});

test('places, sizes and intensities of the spleen vary, and stay plausible', () => {
  const phantoms = Array.from({ length: 12 }, (_, index) => makePhantom({ seed: 9, index, size }));
  const millilitres = phantoms.map((phantom) => {
    const [dx, dy, dz] = spacingOf(phantom.image.affine);
    return (spleenVoxels(phantom) * dx * dy * dz) / 1000;
  });
  assert.ok(
    millilitres.every((volume) => volume > 40 && volume < 700),
    `${millilitres}`,
  );
  assert.ok(Math.max(...millilitres) > 1.5 * Math.min(...millilitres));
  const means = phantoms.map((phantom) => meanInside(phantom, 1));
  assert.ok(
    means.every((mean) => mean > 92 && mean < 140),
    `${means}`,
  );
  assert.ok(Math.max(...means) - Math.min(...means) > 10);
  assert.ok(new Set(phantoms.map(({ image }) => axcodesOf(image.affine))).size === 2, 'RAS and LPS');
});

test('labels: organs names organs with different HU, and the spleen is unchanged', () => {
  const plain = makePhantom({ seed: 2, size });
  const organs = makePhantom({ seed: 2, size, labels: 'organs' });
  assert.equal(plain.image.data, organs.image.data);
  assert.equal(
    plain.label.data,
    organs.label.data.map((value) => (value === 1 ? 1 : 0)),
  );
  assert.equal(Object.values(organs.labelNames), [
    'spleen',
    'liver',
    'kidneys',
    'stomach',
    'aorta',
    'lungs',
    'spine',
  ]);
  assert.equal(new Set(organs.label.data).size, 8);
  const [spleen, liver, lungs, spine] = [1, 2, 6, 7].map((value) => meanInside(organs, value));
  assert.ok(liver > 66 && liver < 134, `liver ${liver}`);
  assert.ok(spleen > 92 && spleen < 140, `spleen ${spleen}`);
  assert.ok(lungs < -750, `lungs ${lungs}`);
  assert.ok(spine > 100, `spine ${spine}`);
});

test('intensity alone does not tell the spleen: the liver is as bright in some phantoms, and brighter in others', () => {
  const differences = Array.from({ length: 8 }, (_, index) => {
    const phantom = makePhantom({ seed: 7, index, size, labels: 'organs' });
    return meanInside(phantom, 1) - meanInside(phantom, 2);
  });
  assert.ok(Math.min(...differences) < 0 && Math.max(...differences) > 10, `${differences}`);
});

test('the liver lies on the right and the spleen on the left, in any orientation', () => {
  for (let index = 0; index < 4; index++) {
    const { label } = makePhantom({ seed: 3, index, size, labels: 'organs' });
    const meanX = (wanted: number) => {
      let sum = 0;
      let count = 0;
      for (let at = 0; at < label.data.length; at++) {
        if (label.data[at] !== wanted) continue;
        const [i, j, k] = indexOf(at, size);
        sum += label.affine[0] * i + label.affine[1] * j + label.affine[2] * k + label.affine[3];
        count++;
      }
      return sum / count;
    };
    assert.ok(meanX(2) - meanX(1) > 60, 'x grows to the right');
  }
});

test('a given spacing is kept, and a small field of view shows the whole spleen', () => {
  const small: Vec3 = [48, 40, 36];
  for (let index = 0; index < 6; index++) {
    const { image, label } = makePhantom({ seed: 4, index, size: small, spacing: [4, 4, 5] });
    spacingOf(image.affine).forEach((mm, axis) => {
      assert.ok(Math.abs(mm - [4, 4, 5][axis]) < 1e-5);
    });
    const spleen = Array.from(label.data.keys()).filter((at) => label.data[at] === 1);
    assert.ok(spleen.length > 0);
    const faces = spleen.filter((at) =>
      indexOf(at, small).some((i, axis) => i === 0 || i === small[axis] - 1),
    );
    assert.is(faces.length, 0, 'no voxel of the spleen lies on a face of the volume');
  }
});

test.run();
