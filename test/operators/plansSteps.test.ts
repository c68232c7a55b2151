import { firstValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase, withVolumes } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { asDiscrete } from '#src/operators/asDiscrete.js';
import { cropNonzero } from '#src/operators/cropNonzero.js';
import { standalone } from '#src/operators/define.js';
import type { PlacedStep } from '#src/operators/fusion.js';
import { invert } from '#src/operators/invert.js';
import { labelsFusion } from '#src/operators/labelsOf.js';
import { normalizeByPlans } from '#src/operators/normalizeByPlans.js';
import { orient } from '#src/operators/orient.js';
import { permuteAxes } from '#src/operators/permuteAxes.js';
import { regionLabels } from '#src/operators/regionLabels.js';
import { resampleByPlans } from '#src/operators/resampleByPlans.js';
import { Random } from '#src/volume/random.js';
import { makeVolume, type Volume, voxelCount } from '#src/volume/volume.js';
import { through } from '../shared.js';

function randomVolume(size: Volume['size'], channels: number, kind: Volume['kind']): Volume {
  const random = new Random(7);
  const data = Float32Array.from({ length: voxelCount(size) * channels }, () => random.uniform(-3, 3));
  return makeVolume({
    size,
    channels,
    kind,
    data,
    affine: [-1, 0, 0, 4, 0, 2, 0, 1, 0, 0, -3, 7, 0, 0, 0, 1],
  });
}

const only = (image: Volume) => makeCase({ id: 'a', volumes: { image } });

test('permuteAxes moves axes by number, and invert brings a prediction back', async () => {
  const image = makeVolume({ size: [2, 3, 1], data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
  const subject = await through(permuteAxes({ axes: [1, 2, 0] }), only(image));
  const moved = subject.volumes.image;
  assert.equal(moved.size, [3, 1, 2]);
  assert.equal(moved.data, Uint8Array.of(1, 3, 5, 2, 4, 6));
  const back = await through(invert(), withVolumes(subject, { pred: { ...moved, kind: 'label' } }));
  assert.equal(back.volumes.pred.data, image.data);
  assert.throws(() => permuteAxes({ axes: [1, 1, 0] }), /axes must hold each of 0, 1 and 2 once/);
});

test('cropNonzero keeps what is not 0 in any channel, and fills holes of the mask', async () => {
  const first = [
    ...[0, 0, 0, 0, 0],
    ...[0, -1, 1, 1, 0],
    ...[0, 1, 0, 1, 0],
    ...[0, 1, 1, 1, 0],
    ...[0, 0, 0, 0, 0],
  ];
  const second = first.map((_, i) => (i === 9 ? 2 : 0));
  // In three equal slices the hole would be open along z; the outer ones close it.
  const closed = first.map((value, i) => (i === 12 ? 1 : value));
  const data = Int16Array.from([...closed, ...first, ...closed, ...second, ...second, ...second]);
  const image = makeVolume({ size: [5, 5, 3], channels: 2, data });
  const { volumes } = await through(cropNonzero({ mask: 'nonzero' }), only(image));
  assert.equal(volumes.image.size, [4, 3, 3]);
  assert.equal(Array.from(volumes.image.data.slice(12, 24)), [-1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0]);
  assert.equal(Array.from(volumes.nonzero.data.slice(12, 24)), [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0]);
  assert.equal(volumes.nonzero.history, volumes.image.history);
});

test('cropNonzero leaves an image of zeros whole', async () => {
  const image = makeVolume({ size: [2, 2, 2], data: new Uint8Array(8) });
  assert.equal((await through(cropNonzero(), only(image))).volumes.image.size, [2, 2, 2]);
});

test('normalizeByPlans: every scheme, and the mask', async () => {
  const image = makeVolume({
    size: [4, 1, 1],
    channels: 5,
    data: Float32Array.of(
      ...[-10, 0, 3, 20],
      ...[0, 1, 3, 5],
      ...[2, 4, 6, 10],
      ...[0, 51, 255, 102],
      ...[7, 8, 9, 10],
    ),
  });
  const nonzero = makeVolume({ size: [4, 1, 1], data: Uint8Array.of(0, 1, 1, 1), kind: 'label' });
  const channels = [
    { scheme: 'ct', mean: 1, std: 2, low: -5, high: 9 },
    { scheme: 'zScore', mask: true },
    { scheme: 'rescale' },
    { scheme: 'rgb' },
    { scheme: 'none' },
  ] as const;
  const { volumes } = await through(
    normalizeByPlans({ channels: [...channels] }),
    withVolumes(only(image), { nonzero }),
  );
  const deviation = Math.fround(Math.sqrt(8 / 3));
  const wanted = [
    ...[-3, -0.5, 1, 4],
    ...[0, -2 / deviation, 0, 2 / deviation],
    ...[0, 0.25, 0.5, 1],
    ...[0, 0.2, 1, 0.4],
    ...[7, 8, 9, 10],
  ];
  assert.equal(volumes.image.data, Float32Array.from(wanted));
});

test('normalizeByPlans refuses another number of channels, and RGB values beyond 255', async () => {
  const image = makeVolume({ size: [2, 1, 1], data: Float32Array.of(0, 300) });
  const failed = async (channels: Parameters<typeof normalizeByPlans>[0]['channels']) =>
    through(normalizeByPlans({ channels }), only(image)).then(
      () => '',
      (error) => {
        assert.instance(error, DataError);
        return error.message;
      },
    );
  assert.match(
    await failed([
      { scheme: 'none', name: 'T1' },
      { scheme: 'none', name: 'T2' },
    ]),
    /The image of case a has 1 channel\(s\), but the model takes 2: T1, T2\./,
  );
  assert.match(await failed([{ scheme: 'rgb' }]), /values of channel 0 are 0 to 300, but/);
  assert.throws(
    () => normalizeByPlans({ channels: [{ scheme: 'ct', mean: 1 }] }),
    /channels\.0 has scheme ct, but no std/,
  );
});

test('resampleByPlans uses the voxel size that the file states, and leaves a size that fits', async () => {
  const nifti = { qformCode: 1, sformCode: 1, xyztUnits: 2, descrip: '', auxFile: '', toffset: 0 };
  const image = {
    ...randomVolume([4, 4, 5], 1, 'image'),
    origin: { file: 'a.nii', nifti: { ...nifti, pixdim: [1, 2, 1.5] as const } },
  };
  const stated = await through(resampleByPlans({ spacing: [1, 2, 3] }), only(image));
  assert.equal(stated.volumes.image.size, [4, 4, 2]);
  const same = await through(resampleByPlans({ spacing: [1.05, null, 1.5] }), only(image));
  assert.is(same.volumes.image, image);
});

/** The steps that undo the preparation of an image, as one pass and one after the other. */
async function bothWays(
  decide: { readonly definition: PlacedStep['definition']; readonly options: object },
  channels: number,
  history: Volume['history'],
  logits: Volume,
) {
  const place = (definition: PlacedStep['definition'], options: object): PlacedStep => {
    const made = definition.configure(options);
    assert.ok(made.options);
    return { id: definition.name, definition, options: made.options, built: made.built };
  };
  const steps = [place(invert, {}), place(decide.definition, decide.options)];
  const [fused] = labelsFusion(steps) ?? [];
  assert.ok(fused);
  assert.is(logits.channels, channels);
  const each = steps.map(({ id, built }) => built.create(standalone(id)));
  const image = { ...logits, history, channels: 1, data: logits.data.subarray(0, voxelCount(logits.size)) };
  const subject = makeCase({ id: 'a', volumes: { image, pred: logits } });
  const one = await through(fused.create(standalone('labels'), each), subject);
  const apart = await firstValueFrom(each.reduce((stream, step) => stream.pipe(step), of(subject)));
  return [one.volumes.pred, apart.volumes.pred];
}

test('labels come out the same in one pass and step by step, through axes, crop and resampling', async () => {
  const image = randomVolume([9, 8, 7], 1, 'image');
  const zeros = image.data.map((value, i) => (i % 9 < 2 || i < 72 ? 0 : value)) as Float32Array;
  for (const spacing of [
    [1.7, 1.3, 2.1],
    [0.6, 1, 9],
  ] as const) {
    const subject = await firstValueFrom(
      of(only({ ...image, data: zeros })).pipe(
        orient({ axcodes: 'RAS' }),
        permuteAxes({ axes: [2, 0, 1] }),
        cropNonzero(),
        resampleByPlans({ spacing: [...spacing] }),
      ),
    );
    const { size, affine, history } = subject.volumes.image;
    assert.equal(
      history.map(({ step }) => step),
      ['orient', 'orient', 'cropOrPad', 'zoom'],
    );
    const logits = { ...randomVolume(size, 3, 'logits'), affine };
    for (const decide of [
      { definition: asDiscrete, options: { argmax: true } },
      { definition: regionLabels, options: { labels: [1, 300, 2] } },
    ]) {
      const [one, apart] = await bothWays(decide, 3, history, logits);
      assert.equal(one.data, apart.data);
      assert.equal([one.size, one.affine], [apart.size, apart.affine]);
      assert.equal(one.size, image.size);
      assert.ok(one.data.some((value) => value === 2));
    }
  }
});

test('a region overwrites those before it where its logit is above 0', async () => {
  const pred = makeVolume({
    size: [4, 1, 1],
    channels: 2,
    kind: 'logits',
    data: Float32Array.of(1, 0, -1, 2, 1, 1, -1, -2),
  });
  const labels = await through(regionLabels({ labels: [5, 9] }), makeCase({ id: 'a', volumes: { pred } }));
  assert.equal(labels.volumes.pred.data, Uint8Array.of(9, 9, 0, 5));
  const probability = {
    ...pred,
    kind: 'probability' as const,
    data: Float32Array.of(0.6, 0.5, 0.4, 0.9, 0.7, 0.1, 0.5, 0.2),
  };
  const other = await through(
    regionLabels({ labels: [5, 9] }),
    makeCase({ id: 'a', volumes: { pred: probability } }),
  );
  assert.equal(other.volumes.pred.data, Uint8Array.of(9, 0, 0, 5));
});

test.run();
