import { firstValueFrom, from, of, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase, withVolumes } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { clearIfEmpty } from '#src/operators/clearIfEmpty.js';
import { clearOutside } from '#src/operators/clearOutside.js';
import { copyItems } from '#src/operators/copyItems.js';
import { cropForeground } from '#src/operators/cropForeground.js';
import { deleteItems } from '#src/operators/deleteItems.js';
import { invert } from '#src/operators/invert.js';
import { joinLabels } from '#src/operators/joinLabels.js';
import { joinSlabs } from '#src/operators/joinSlabs.js';
import { keepLabels } from '#src/operators/keepLabels.js';
import { keepLargestComponent } from '#src/operators/keepLargestComponent.js';
import { labelStatistics } from '#src/operators/labelStatistics.js';
import { nameLabels } from '#src/operators/nameLabels.js';
import { orient } from '#src/operators/orient.js';
import { removeSmallComponents } from '#src/operators/removeSmallComponents.js';
import { splitSlabs } from '#src/operators/splitSlabs.js';
import { truncate } from '#src/operators/truncate.js';
import { zoomToSpacing } from '#src/operators/zoomToSpacing.js';
import { makeVolume, type Volume, voxelCount } from '#src/volume/volume.js';
import { through } from '../shared.js';

const labels = (...data: number[]) =>
  makeVolume({ size: [data.length, 1, 1], data: Uint8Array.from(data), kind: 'label' });
const caseOf = (volumes: Record<string, Volume>) => makeCase({ id: 'a', volumes });
const values = (volume: Volume) => Array.from(volume.data);

test('joinLabels maps the labels of parts and overwrites those of earlier ones', async () => {
  const names = { 5: 'liver', 51: 'heart' };
  const first = await through(joinLabels({ map: { 1: 5, 2: 51 } }), caseOf({ part: labels(0, 1, 2, 3) }));
  assert.equal(values(first.volumes.pred), [0, 5, 51, 0]);
  const again = withVolumes(first, { part: labels(7, 0, 7, 0) });
  const second = await through(joinLabels({ map: { 7: 300 }, names }), again);
  assert.equal(values(second.volumes.pred), [300, 5, 300, 0]);
  assert.equal(second.volumes.pred.labelNames, names);
  const other = withVolumes(first, { part: labels(1, 1) });
  await assertFails(
    through(joinLabels({ map: { 1: 1 } }), other),
    /part \(2 x 1 x 1 voxels\) and pred \(4 x 1/,
  );
});

test('keepLabels and nameLabels', async () => {
  const named = nameLabels({ names: { 1: 'spleen', 2: 'liver' } });
  const subject = await through(named, caseOf({ pred: labels(0, 1, 2, 3) }));
  assert.equal(subject.volumes.pred.labelNames, { 1: 'spleen', 2: 'liver' });
  const { pred } = (await through(keepLabels({ labels: [2, 3] }), subject)).volumes;
  assert.equal(values(pred), [0, 0, 2, 3]);
  assert.equal(pred.labelNames, { 2: 'liver' });
});

test('deleteItems, truncate and clearIfEmpty', async () => {
  const image = makeVolume({ size: [4, 1, 1], data: Float32Array.of(1.9, -1.9, 0.5, 7) });
  const subject = caseOf({
    image,
    pred: labels(1, 2, 0, 3),
    none: labels(0, 0, 0, 0),
    some: labels(0, 0, 1, 0),
  });
  const cut = await through(truncate(), subject);
  assert.equal(values(cut.volumes.image), [1, -1, 0, 7]);
  assert.instance(cut.volumes.image.data, Int32Array);
  const whole = await through(truncate({ keys: 'pred' }), subject);
  assert.equal(whole.volumes.pred.data, subject.volumes.pred.data);
  const far = caseOf({ image: makeVolume({ size: [1, 1, 1], data: Float32Array.of(3e9) }) });
  await assertFails(through(truncate(), far), /a voxel is 3000000000, but only numbers from -2147483648/);
  assert.equal(Object.keys((await through(deleteItems({ keys: ['image', 'x'] }), subject)).volumes), [
    'pred',
    'none',
    'some',
  ]);
  assert.is((await through(clearIfEmpty({ mask: 'some' }), subject)).volumes.pred, subject.volumes.pred);
  assert.equal(values((await through(clearIfEmpty({ mask: 'none' }), subject)).volumes.pred), [0, 0, 0, 0]);
});

test('clearOutside: where the dilation is less than a voxel, nothing is removed', async () => {
  const subject = caseOf({ pred: labels(1, 1, 1, 1), heart: labels(1, 0, 0, 0) });
  const cleared = (dilation: number) =>
    through(clearOutside({ mask: 'heart', dilation }), subject).then(({ volumes }) => values(volumes.pred));
  assert.equal(await cleared(0.9), [1, 1, 1, 1]);
  assert.equal(await cleared(2.9), [1, 1, 1, 0]);
});

test('removeSmallComponents removes components of each label up to a volume', async () => {
  const affine = [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const pred = { ...labels(1, 1, 2, 1, 0, 2, 2, 2, 1), affine };
  const removed = (options: object) =>
    through(removeSmallComponents(options), caseOf({ pred })).then(({ volumes }) => values(volumes.pred));
  assert.equal(await removed({ maxVolume: 4 }), [0, 0, 0, 0, 0, 2, 2, 2, 0]);
  assert.equal(await removed({ maxVolume: 3.9 }), [1, 1, 0, 0, 0, 2, 2, 2, 0]);
  assert.equal(await removed({ maxVolume: 2, appliedLabels: 1 }), [1, 1, 2, 0, 0, 2, 2, 2, 0]);
});

test('keepLargestComponent with keepFirst keeps the first of equal components', async () => {
  const kept = (keepFirst: boolean) =>
    through(keepLargestComponent({ keepFirst }), caseOf({ pred: labels(1, 0, 1) })).then(({ volumes }) =>
      values(volumes.pred),
    );
  assert.equal(await kept(false), [0, 0, 1]);
  assert.equal(await kept(true), [1, 0, 0]);
});

test('cropForeground: a margin in mm is cut off to voxels by sizes in float32', async () => {
  const affine = [1.2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const image = { ...labels(...new Array(30).fill(1)), kind: 'image', affine } as const;
  const mask = { ...labels(...Array.from({ length: 30 }, (_, i) => (i === 15 ? 1 : 0))), affine };
  const crop = cropForeground({ sourceKey: 'mask', marginMm: 6, keys: 'image' });
  // 6 / 1.2 is 4.9999998 with 1.2 in float32.
  assert.equal((await through(crop, caseOf({ image, mask }))).volumes.image.size, [9, 1, 1]);
  const empty = caseOf({ image, mask: { ...labels(...new Array(30).fill(0)), affine } });
  const voxel = await through(cropForeground({ sourceKey: 'mask', ifEmpty: 'voxel', keys: 'image' }), empty);
  assert.equal(voxel.volumes.image.size, [1, 1, 1]);
  assert.match(voxel.notes?.[0] ?? '', /no voxel of mask is above 0, so nothing was kept/);
});

/** An image of rows along z with the numbers of its slices. */
function slices(count: number): Volume {
  const size = [2, 1, count] as const;
  const data = Int16Array.from({ length: voxelCount(size) }, (_, i) => Math.floor(i / 2));
  return makeVolume({ size, data, affine: [1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 2, 7, 0, 0, 0, 1] });
}

test('splitSlabs makes overlapping slabs, and joinSlabs takes the slices that belong to each', async () => {
  const subject = { ...caseOf({ image: slices(10) }), timings: { load: 1 } };
  const split = splitSlabs({ slabs: 3, overlap: 3 });
  const parts = await firstValueFrom(of(subject).pipe(split, toArray()));
  const ranges = parts.map(({ volumes: { image } }) => [image.data[0], image.data.at(-1), image.affine[11]]);
  // floor(10 / 3) = 3 slices each, with 3 more behind and 2 more before.
  assert.equal(ranges, [
    [0, 5, 7],
    [1, 8, 9],
    [4, 9, 15],
  ]);
  // A label that says which slab made it, and where.
  const labelled = parts.map((part, i) => {
    const { image } = part.volumes;
    const pred = {
      ...image,
      data: Uint8Array.from(image.data, (value) => 16 * i + value),
      kind: 'label',
    } as const;
    return { ...withVolumes(part, { pred }), timings: { load: 1, model: 2 } };
  });
  const joined = await firstValueFrom(from(labelled).pipe(joinSlabs(), toArray()));
  assert.is(joined.length, 1);
  const expected = [0, 1, 2, 19, 20, 21, 38, 39, 40, 41];
  assert.equal(
    values(joined[0].volumes.pred),
    expected.flatMap((one) => [one, one]),
  );
  assert.equal(joined[0].volumes.pred.affine, subject.volumes.image.affine);
  assert.is(joined[0].timings.model, 6);
  assert.is(joined[0].timings.load, 1);
  assert.is(joined[0].slabs, undefined);
});

test('splitSlabs leaves small volumes whole, and says so of thin ones', async () => {
  const one = async (options: object) => {
    const parts = of(caseOf({ image: slices(10) })).pipe(
      splitSlabs(options),
      joinSlabs({ keys: 'image' }),
      toArray(),
    );
    const [subject, ...others] = await firstValueFrom(parts);
    assert.is(others.length, 0);
    return subject;
  };
  const small = await one({ slabs: 2, overlap: 2, minVoxels: 20 });
  assert.equal([small.volumes.image.size[2], small.notes], [10, undefined]);
  const few = await one({ slabs: 2, overlap: 2, minSlices: 10 });
  assert.is(few.volumes.image.size[2], 10);
  const thin = await one({ slabs: 3, overlap: 20 });
  assert.match(thin.notes?.[0] ?? '', /image has 10 slices, too few for 3 slabs that overlap by 20/);
});

test('zoomToSpacing and invert; a copy with startHere returns to its own grid', async () => {
  const affine = [0, 0, 2, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1];
  const image = makeVolume({
    size: [4, 3, 2],
    affine,
    data: Int16Array.from({ length: 24 }, (_, i) => 10 * i),
  });
  const turned = await through(orient({ axcodes: 'RAS' }), caseOf({ image }));
  const zoomed = await through(zoomToSpacing({ pixdim: [1, 2, 1], dtype: 'int32' }), turned);
  assert.equal(zoomed.volumes.image.size, [4, 2, 3]);
  assert.instance(zoomed.volumes.image.data, Int32Array);
  const copied = await through(copyItems({ keys: 'image', names: 'input', startHere: true }), zoomed);
  assert.equal(copied.volumes.input.history, []);
  const pred = { ...copied.volumes.input, kind: 'label' } as const;
  const here = await through(invert({ like: 'input' }), withVolumes(copied, { pred }));
  assert.equal(here.volumes.pred.size, [4, 2, 3]);
  const back = await through(invert(), here);
  assert.equal(back.volumes.pred.size, image.size);
  assert.equal(back.volumes.pred.affine, image.affine);
  // With aligned corners, the corner voxels keep their values.
  assert.equal(
    [0, 3, 23].map((i) => back.volumes.pred.data[i]),
    [0, 30, 230],
  );
});

test('labelStatistics measures volumes and intensities, and leaves out labels at the border', async () => {
  const affine = [0.9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1];
  const size = [5, 3, 3] as const;
  const pred = new Uint8Array(45);
  const image = new Float32Array(45);
  const at = (x: number, y: number, z: number) => (z * 3 + y) * 5 + x;
  for (const [x, value] of [
    [1, 10.9],
    [2, -20.7],
  ] as const) {
    pred[at(x, 1, 1)] = 4;
    image[at(x, 1, 1)] = value;
  }
  pred[at(0, 1, 1)] = 7;
  const subject = caseOf({
    pred: makeVolume({ size, data: pred, kind: 'label', affine, labelNames: { 4: 'spleen', 7: 'liver' } }),
    image: makeVolume({ size, data: image, affine }),
  });
  const { metrics } = await through(labelStatistics({ border: 1, extra: true }), subject);
  const of = (label: string) =>
    Object.fromEntries(metrics.flatMap((one) => (one.label === label ? [[one.metric.name, one.value]] : [])));
  const spleen = of('spleen');
  assert.is(spleen.volume_mm3, 2 * Math.fround(Math.fround(0.9) * 2));
  assert.equal([spleen.intensity, spleen.intensity_std, spleen.intensity_min], [-5, 15, -20]);
  assert.equal([spleen.n_voxels, spleen.centroid_x, spleen.first_x, spleen.last_x], [2, 1.5, 1, 2]);
  assert.equal([of('liver').volume_mm3, of('liver').centroid_x], [0, Number.NaN]);
  const nameless = caseOf({ ...subject.volumes, pred: { ...subject.volumes.pred, labelNames: {} } });
  await assertFails(
    through(labelStatistics(), nameless),
    /the labels of pred have no names. List the labels/,
  );
});

async function assertFails(work: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await work.then(
    () => assert.unreachable('it must fail'),
    (found: unknown) => found,
  );
  assert.instance(error, DataError);
  assert.match((error as Error).message, message);
}

test.run();
