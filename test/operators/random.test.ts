import { from, lastValueFrom, mergeMap, of, pipe, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { rand3DElastic } from '#src/operators/rand3DElastic.js';
import { randAdjustContrast } from '#src/operators/randAdjustContrast.js';
import { randAffine } from '#src/operators/randAffine.js';
import { randAxisFlip } from '#src/operators/randAxisFlip.js';
import { randBiasField } from '#src/operators/randBiasField.js';
import { randCropByLabelClasses } from '#src/operators/randCropByLabelClasses.js';
import { randCropByPosNegLabel } from '#src/operators/randCropByPosNegLabel.js';
import { randFlip } from '#src/operators/randFlip.js';
import { randGaussianNoise } from '#src/operators/randGaussianNoise.js';
import { randGaussianSmooth } from '#src/operators/randGaussianSmooth.js';
import { randHistogramShift } from '#src/operators/randHistogramShift.js';
import { randRotate } from '#src/operators/randRotate.js';
import { randRotate90 } from '#src/operators/randRotate90.js';
import { randScaleIntensity } from '#src/operators/randScaleIntensity.js';
import { randShiftIntensity } from '#src/operators/randShiftIntensity.js';
import { randSpatialCrop } from '#src/operators/randSpatialCrop.js';
import { randZoom } from '#src/operators/randZoom.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { refused, through } from '../shared.js';

const image = makeVolume({ data: Float32Array.of(1, 2, 3, 4, 5, 6), size: [3, 2, 1] });
const label = makeVolume({ data: Uint8Array.of(1, 2, 3, 4, 5, 6), size: [3, 2, 1], kind: 'label' });
const caseOf = (id: string, epoch?: number) => makeCase({ id, epoch, volumes: { image, label } });
const values = ({ data }: { data: ArrayLike<number> }) => Array.from(data);

/** The images of many cases after an operator. */
async function many(operator: Parameters<typeof through>[0], count = 400): Promise<number[][]> {
  const cases = Array.from({ length: count }, (_, i) => caseOf(`case ${i}`));
  const changed = await lastValueFrom(from(cases).pipe(operator, toArray()));
  return changed.map(({ volumes }) => values(volumes.image));
}

test('randFlip reverses the chosen axes of image and label together, with the given probability', async () => {
  const { volumes } = await through(randFlip({ prob: 1, spatialAxis: 0 }), caseOf('a'));
  assert.equal(
    [values(volumes.image), values(volumes.label)],
    [
      [3, 2, 1, 6, 5, 4],
      [3, 2, 1, 6, 5, 4],
    ],
  );
  assert.equal(values((await through(randFlip({ prob: 1 }), caseOf('a'))).volumes.image), [6, 5, 4, 3, 2, 1]);
  const flipped = (await many(randFlip({ prob: 0.3, spatialAxis: 1 }))).filter(
    ([first]) => first === 4,
  ).length;
  // 120 expected, with a standard deviation of 9.
  assert.ok(Math.abs(flipped - 120) < 40, `${flipped}`);
});

test('randRotate90 draws 1 to maxK turns, all equally often', async () => {
  const firsts = (await many(randRotate90({ prob: 1 }), 300)).map(([first]) => first);
  for (const first of [4, 6, 3]) {
    const count = firsts.filter((one) => one === first).length;
    // 100 expected, with a standard deviation of 8.
    assert.ok(Math.abs(count - 100) < 35, `${first}: ${count}`);
  }
  assert.equal(new Set((await many(randRotate90({ prob: 1, maxK: 1 }), 20)).map(([first]) => first)).size, 1);
});

test('randScaleIntensity and randShiftIntensity draw from their ranges and leave the label unchanged', async () => {
  const { volumes } = await through(randScaleIntensity({ factors: 0.5, prob: 1 }), caseOf('a'));
  assert.is(volumes.label, label);
  const scales = (await many(randScaleIntensity({ factors: [0.5, 1], prob: 1 }))).map(([first]) => first);
  assert.ok(
    Math.min(...scales) > 1.5 &&
      Math.min(...scales) < 1.52 &&
      Math.max(...scales) <= 2 &&
      Math.max(...scales) > 1.98,
  );
  const shifts = (await many(randShiftIntensity({ offsets: 0.2, prob: 1 }))).map(([first, second]) => {
    assert.ok(Math.abs(second - first - 1) < 1e-6, 'one offset for all voxels');
    return first - 1;
  });
  assert.ok(Math.min(...shifts) < -0.18 && Math.min(...shifts) >= -0.2001 && Math.max(...shifts) > 0.18);
  assert.ok(Math.abs(shifts.reduce((sum, one) => sum + one) / shifts.length) < 0.02);
  const two = makeVolume({ data: Float32Array.of(1, 1), size: [1, 1, 1], channels: 2 });
  const colours = makeCase({ id: 'a', volumes: { image: two } });
  const [a, b] = values(
    (await through(randScaleIntensity({ factors: 0.5, prob: 1, channelWise: true }), colours)).volumes.image,
  );
  assert.ok(a !== b);
});

test('randGaussianNoise and randGaussianSmooth draw their strength for each case', async () => {
  const spread = (list: number[][]) => new Set(list.map(String)).size;
  assert.is(spread(await many(randGaussianNoise({ prob: 1 }), 20)), 20);
  assert.is(spread(await many(randGaussianSmooth({ prob: 1 }), 20)), 20);
  const fixed = await through(randGaussianNoise({ prob: 1, mean: 3, std: 0, sampleStd: false }), caseOf('a'));
  assert.equal(values(fixed.volumes.image), [4, 5, 6, 7, 8, 9]);
});

test('randAffine warps image and label in the same way, and applies the requested size even to unchanged cases', async () => {
  const moved = await through(
    randAffine({ prob: 1, translateRange: [[1, 1]], paddingMode: 'zeros' }),
    caseOf('a'),
  );
  assert.equal(
    [values(moved.volumes.image), values(moved.volumes.label)],
    [
      [2, 3, 0, 5, 6, 0],
      [2, 3, 0, 5, 6, 0],
    ],
  );
  const kept = await through(randAffine({ prob: 0, spatialSize: [1, 2, -1] }), caseOf('a'));
  assert.equal(
    [kept.volumes.image.size, values(kept.volumes.image)],
    [
      [1, 2, 1],
      [2, 5],
    ],
  );
});

test('randCropByPosNegLabel splits a case into numbered cases', async () => {
  const cut = await lastValueFrom(
    of(caseOf('a')).pipe(randCropByPosNegLabel({ spatialSize: [2, 1, 1], numSamples: 3 }), toArray()),
  );
  assert.equal(
    cut.map(({ id }) => id),
    ['a#0', 'a#1', 'a#2'],
  );
  for (const { volumes, timings } of cut) {
    assert.equal(volumes.image.size, [2, 1, 1]);
    assert.equal(values(volumes.image), values(volumes.label), 'image and label at one place');
    assert.ok(timings.randCropByPosNegLabel > 0);
  }
  const other = makeVolume({ data: new Float32Array(2), size: [2, 1, 1] });
  const odd = makeCase({ id: 'odd', volumes: { image: other, label } });
  const error = await through(randCropByPosNegLabel({ spatialSize: 1 }), odd).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(error.message, /in case odd, image has 2 x 1 x 1 voxels, but label has 3 x 2 x 1/);
});

test('randCropByLabelClasses splits a case into patches around classes', async () => {
  const cut = await lastValueFrom(
    of(caseOf('a')).pipe(
      randCropByLabelClasses({ spatialSize: 1, ratios: [0, 0, 0, 0, 1], numSamples: 2 }),
      toArray(),
    ),
  );
  assert.equal(
    cut.map(({ id, volumes }) => [id, values(volumes.image), values(volumes.label)]),
    [
      ['a#0', [4], [4]],
      ['a#1', [4], [4]],
    ],
  );
  refused(() => randCropByLabelClasses({ spatialSize: 1, ratios: [0, 0] }), /ratios must not all be 0/);
  refused(
    () => randCropByLabelClasses({ spatialSize: 1, ratios: [1, 1], numClasses: 3 }),
    /one number for each of the 3 classes, but it has 2/,
  );
});

test('randSpatialCrop draws the place, or the size, or crops the middle', async () => {
  const crops = await many(randSpatialCrop({ roiSize: [2, 1, -1] }), 300);
  for (const start of ['1,2', '2,3', '4,5', '5,6']) {
    const count = crops.filter((one) => String(one) === start).length;
    // 75 expected, with a standard deviation of 7.5.
    assert.ok(Math.abs(count - 75) < 32, `${start}: ${count}`);
  }
  const one = await through(randSpatialCrop({ roiSize: [1, 1, 5] }), caseOf('b'));
  assert.equal(values(one.volumes.image), values(one.volumes.label));
  const middle = await through(randSpatialCrop({ roiSize: 1, randomCenter: false }), caseOf('a'));
  assert.equal(values(middle.volumes.image), [5]);
  const sizes = await many(randSpatialCrop({ roiSize: 1, randomSize: true }), 200);
  assert.equal(new Set(sizes.map(({ length }) => length)), new Set([1, 2, 3, 4, 6]));
  const error = await through(randSpatialCrop({ roiSize: 4, randomSize: true }), caseOf('a')).catch(
    (fault) => fault,
  );
  assert.instance(error, DataError);
  assert.match(error.message, /draws sizes from 4 to 3 voxels along axis 0/);
});

test('randAxisFlip reverses one axis, each as often', async () => {
  const flips = (await many(randAxisFlip({ prob: 1 }), 300)).map(String);
  for (const flipped of ['3,2,1,6,5,4', '4,5,6,1,2,3', '1,2,3,4,5,6']) {
    const count = flips.filter((one) => one === flipped).length;
    // 100 expected, with a standard deviation of 8.
    assert.ok(Math.abs(count - 100) < 35, `${flipped}: ${count}`);
  }
});

test('randRotate and randZoom change image and label in the same way', async () => {
  const turn = [Math.PI / 2, Math.PI / 2] as const;
  const turned = await through(
    randRotate({ prob: 1, rangeZ: turn, keepSize: false, mode: 'nearest' }),
    caseOf('a'),
  );
  assert.equal(turned.volumes.image.size, [2, 3, 1]);
  assert.equal(values(turned.volumes.image), values(turned.volumes.label));
  assert.equal(new Set(values(turned.volumes.image)).size, 6);
  const zoomed = await through(
    randZoom({ prob: 1, minZoom: [2, 1], maxZoom: [2, 1], mode: 'nearest' }),
    caseOf('a'),
  );
  assert.equal(values(zoomed.volumes.image), [2, 2, 3, 5, 5, 6]);
  assert.equal(values(zoomed.volumes.label), values(zoomed.volumes.image));
  const error = await through(randZoom({ prob: 1, minZoom: 0.5, maxZoom: 0.5 }), caseOf('a')).catch(
    (fault) => fault,
  );
  assert.match(
    error.message,
    /3 x 2 x 1 voxels. Zoomed by \[0.5, 0.5, 0.5\] it would have none along an axis/,
  );
  refused(() => randZoom({ minZoom: 2 }), /minZoom must not be above maxZoom/);
  refused(() => randZoom({ minZoom: [1, 1] }), /the same number of factors, but they have 2 and 1/);
});

test('rand3DElastic deforms image and label alike, and applies the requested size to unchanged cases', async () => {
  const settings = { sigmaRange: [1, 2], magnitudeRange: [2, 3], mode: 'nearest' } as const;
  const moved = await through(rand3DElastic({ ...settings, prob: 1 }), caseOf('a'));
  assert.equal(values(moved.volumes.image), values(moved.volumes.label));
  const kept = await through(rand3DElastic({ ...settings, prob: 0, spatialSize: [1, 2, -1] }), caseOf('a'));
  assert.equal(values(kept.volumes.image), [2, 5]);
});

test('randAdjustContrast, randHistogramShift and randBiasField draw for each case and leave labels alone', async () => {
  const spread = (list: number[][]) => new Set(list.map(String)).size;
  assert.is(spread(await many(randAdjustContrast({ prob: 1 }), 20)), 20);
  assert.is(spread(await many(randHistogramShift({ prob: 1, numControlPoints: [3, 5] }), 20)), 20);
  assert.is(spread(await many(randBiasField({ prob: 1 }), 20)), 20);
  for (const operator of [randAdjustContrast, randHistogramShift, randBiasField]) {
    assert.is((await through(operator({ prob: 1 }), caseOf('a'))).volumes.label, label);
  }
  const rising = (await many(randHistogramShift({ prob: 1 }), 50)).every(
    (list) => list[0] === 1 && list[5] === 6 && list.every((value, i) => i === 0 || value >= list[i - 1]),
  );
  assert.ok(rising, 'the curve rises from the smallest to the largest intensity');
  refused(() => randAdjustContrast({ gamma: 0.5 }), /^randAdjustContrast: gamma must be/);
});

test('draws depend only on seed, epoch, case, patch and step, not on order or concurrency', async () => {
  const runtime = createRuntime({ workers: 3 });
  const steps = (seed?: number) => {
    const context = (id: string) => ({ id, runtime, seed: 5 });
    return pipe(
      randCropByPosNegLabel({ spatialSize: [2, 2, 1], numSamples: 2, seed }, context('crop')),
      randFlip({ prob: 0.5, seed }, context('flip')),
      randShiftIntensity({ offsets: 1, prob: 1, seed }, context('shift')),
      randShiftIntensity({ offsets: 1, prob: 1, seed }, context('again')),
    );
  };
  const collect = async (cases: readonly Case[], atOnce: number, seed?: number) => {
    const found = await lastValueFrom(
      from(cases).pipe(
        mergeMap((subject) => of(subject).pipe(steps(seed)), atOnce),
        toArray(),
      ),
    );
    return Object.fromEntries(found.map(({ id, volumes }) => [id, values(volumes.image).join()]));
  };
  try {
    const cases = ['a', 'b', 'c', 'd'].map((id) => caseOf(id));
    const alone = await collect(cases, 1);
    assert.equal(new Set(Object.values(alone)).size, 8);
    assert.equal(await collect([...cases].reverse(), 4), alone);
    assert.equal(await collect(cases, 1, 5), alone, "the pipeline's seed is the default");
    assert.not.equal(await collect(cases, 1, 6), alone);
    assert.not.equal(
      await collect(
        ['a', 'b', 'c', 'd'].map((id) => caseOf(id, 1)),
        1,
      ),
      alone,
    );
  } finally {
    await runtime.close();
  }
});

test('options out of range are rejected', () => {
  refused(() => randFlip({ prob: 2 }), /^randFlip: prob must be at most 1, but it is 2/);
  refused(() => randRotate90({ spatialAxes: [1, 1] }), /spatialAxes must be two different axes/);
  refused(() => randScaleIntensity({} as never), /^randScaleIntensity: factors is required/);
  refused(() => randCropByPosNegLabel({ spatialSize: 4, pos: 0, neg: 0 }), /pos and neg must not both be 0/);
  refused(() => randAffine({ shearRange: [1, 1, 1, 1, 1, 1, 1] }), /^randAffine: shearRange must be /);
});

test.run();
