import { firstValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase, withVolumes } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { cropForeground } from '#src/operators/cropForeground.js';
import { invert } from '#src/operators/invert.js';
import { orient } from '#src/operators/orient.js';
import { spacing } from '#src/operators/spacing.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';
import { through } from '../shared.js';

const affine = [-2, 0, 0, 3, 0, -1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 1];
const image = makeVolume({ data: Int16Array.of(0, 5, 9, 0), size: [4, 1, 1], affine });

/** The image after some steps, with a pred on its grid. */
async function processed(kind: Volume['kind']) {
  const steps = of(makeCase({ id: 'a', volumes: { image } })).pipe(
    orient({ axcodes: 'RAS' }),
    spacing({ pixdim: [1, 1, 1] }),
    cropForeground(),
  );
  const subject = await firstValueFrom(steps);
  const { data, size, affine: place } = subject.volumes.image;
  const mask = Float32Array.from(data, (value) => (value > 6 ? 1 : 0));
  return withVolumes(subject, { pred: makeVolume({ data: mask, size, affine: place, kind }) });
}

test('invert returns a prediction to the grid on which the image was read', async () => {
  const subject = await processed('probability');
  // Forward: 0, 9, 5, 0 at 2 mm becomes 0, 4.5, 9, 7, 5, 2.5, 0 at 1 mm, and is cropped to 4.5 … 2.5.
  assert.equal(Array.from(subject.volumes.image.data), [4.5, 9, 7, 5, 2.5]);
  const { volumes, timings } = await through(invert(), subject);
  assert.equal(volumes.pred.size, image.size);
  assert.equal(volumes.pred.affine, image.affine);
  assert.equal(Array.from(volumes.pred.data), [0, 0, 1, 0]);
  assert.is(volumes.image, subject.volumes.image);
  assert.ok(timings.invert > 0);
});

test('on the way back probabilities are interpolated, and labels and nearestInterp use the nearest voxel', async () => {
  const coarse = await through(spacing({ pixdim: [4, 1, 1] }), makeCase({ id: 'a', volumes: { image } }));
  const { size, affine: place } = coarse.volumes.image;
  const back = async (kind: Volume['kind'], nearestInterp = false) => {
    const pred = makeVolume({ data: Float32Array.of(0, 1), size, affine: place, kind });
    const { volumes } = await through(invert({ nearestInterp }), withVolumes(coarse, { pred }));
    return Array.from(volumes.pred.data);
  };
  assert.equal(size, [2, 1, 1]);
  // Old voxels are at 0, 0.5, 1 and 1.5 new ones. Beyond the last one the border is repeated.
  assert.equal(await back('probability'), [0, 0.5, 1, 1]);
  for (const labels of [await back('label'), await back('probability', true)]) {
    assert.equal([labels[0], labels[2], labels[3]], [0, 1, 1]);
    assert.ok([0, 1].includes(labels[1]));
  }
});

test('invert handles several volumes, with the steps of the named volume', async () => {
  const subject = await processed('label');
  const { pred } = subject.volumes;
  const more = withVolumes(subject, { scan: subject.volumes.image, other: pred });
  const { volumes } = await through(invert({ keys: ['pred', 'other'], like: 'scan' }), more);
  assert.equal(volumes.other, volumes.pred);
  assert.equal(volumes.pred.size, image.size);
});

test('a volume on another grid fails the case, and so does a missing one', async () => {
  const subject = await processed('label');
  const small = makeVolume({ data: new Uint8Array(3), size: [3, 1, 1], kind: 'label' });
  const error = await through(invert(), withVolumes(subject, { pred: small })).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.is(
    error.message,
    'invert: pred (size [3, 1, 1]) is not on the grid of image (size [5, 1, 1]), so the steps of image cannot be ' +
      'undone on it.',
  );
  const missing = await through(invert({ keys: 'seg' }), subject).catch((fault) => fault);
  assert.is(missing.message, 'Case a has no volume "seg"; it has image and pred.');
});

test.run();
