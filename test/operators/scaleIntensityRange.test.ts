import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { scaleIntensityRange } from '#src/operators/scaleIntensityRange.js';
import { makeVolume } from '#src/volume/volume.js';
import { refused, through } from '../shared.js';

const volume = makeVolume({ data: Int16Array.of(-100, 0, 100, 200), size: [4, 1, 1] });
const subject = makeCase({ id: 'a', volumes: { image: volume, label: { ...volume, kind: 'label' } } });
const range = { aMin: -100, aMax: 100 };

test('scaleIntensityRange maps only the image and keeps its grid', async () => {
  const step = scaleIntensityRange({ ...range, bMin: 0, bMax: 1, clip: true });
  const { volumes, timings } = await through(step, subject);
  assert.equal(Array.from(volumes.image.data), [0, 0.5, 1, 1]);
  assert.equal(volumes.image.affine, volume.affine);
  assert.is(volumes.label, subject.volumes.label);
  assert.ok(timings.scaleIntensityRange > 0);
});

test('values exceed the new range without clip, and the default range is 0 to 1', async () => {
  const { volumes } = await through(scaleIntensityRange(range), subject);
  assert.equal(Array.from(volumes.image.data), [0, 0.5, 1, 1.5]);
});

test('scaleIntensityRange rejects a reversed range and half a new range', () => {
  refused(
    () => scaleIntensityRange({ aMin: 164, aMax: -57 }),
    'scaleIntensityRange: aMin must not be above aMax, but they are 164 and -57.',
  );
  refused(
    () => scaleIntensityRange({ ...range, bMin: 0 }),
    'scaleIntensityRange: bMin and bMax must be given together or not at all.',
  );
  refused(() => scaleIntensityRange({ aMin: 0 } as never), /^scaleIntensityRange: aMax is required/);
});

test.run();
