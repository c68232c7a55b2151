import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, type OperatorFunction, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import { type NamedValues, nameValues } from '#src/metrics/columns.js';
import { averageSurfaceDistance } from '#src/operators/averageSurfaceDistance.js';
import { components } from '#src/operators/components.js';
import { confusion } from '#src/operators/confusion.js';
import { dice } from '#src/operators/dice.js';
import { hausdorff } from '#src/operators/hausdorff.js';
import { iou } from '#src/operators/iou.js';
import { surfaceDice } from '#src/operators/surfaceDice.js';
import { volume } from '#src/operators/volume.js';
import { defaultRuntime, type Runtime } from '#src/runtime/runtime.js';
import { spacingOf } from '#src/volume/affine.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';
import { fixtures } from '../e2e/harness.js';

type Step = OperatorFunction<Case, Case>;

/** The metrics that steps add to a case, as files name them. */
async function measure(subject: Case, ...steps: Step[]): Promise<NamedValues> {
  let stream = of(subject);
  for (const step of steps) stream = stream.pipe(step);
  return nameValues((await lastValueFrom(stream)).metrics);
}

const golden = join(fixtures, 'golden/metrics');

test('there are golden cases of metrics', () => assert.is(readdirSync(golden).length, 7));
for (const name of readdirSync(golden)) {
  test(`metrics of ${name} are MONAI 1.3.2's`, async () => {
    const folder = join(golden, name);
    const { pred, label, spacing, tolerance_mm, expect } = JSON.parse(
      readFileSync(join(folder, 'case.json'), 'utf8'),
    );
    const read = (file: string) => readVolume(join(folder, file), { kind: 'label' });
    const volumes = { pred: await read(pred), label: await read(label) };
    assert.equal(spacingOf(volumes.label.affine), spacing);
    const subject = makeCase({ id: name, volumes, labelNames: { 0: 'background', 1: 'spleen' } });
    const metrics = await measure(
      subject,
      dice(),
      iou(),
      hausdorff(),
      hausdorff({ percentile: 95 }),
      averageSurfaceDistance(),
      surfaceDice({ tolerance: tolerance_mm }),
      confusion(),
    );
    for (const [metric, value] of Object.entries(expect)) {
      const found = metrics[`${metric}_spleen`];
      const expected = Number(value === 'inf' ? 'Infinity' : value);
      // 1e-5 relative: MONAI computes in float32.
      const same = Object.is(found, expected) || Math.abs(found - expected) <= 1e-5 * Math.abs(expected);
      assert.ok(same, `${metric} is ${found}, not ${expected}`);
    }
    assert.is(Object.keys(metrics).length, Object.keys(expect).length);
  });
}

const row = (text: string, fields: Partial<Volume> = {}) => {
  const data = Uint8Array.from(text, Number);
  return makeVolume({ data, size: [data.length, 1, 1], kind: 'label', ...fields });
};
const pair = (pred: string, label: string, fields: Partial<Case> = {}) =>
  makeCase({ id: 'a', volumes: { pred: row(pred), label: row(label) }, ...fields });

test('metrics take every label that occurs in either mask, and the mean over them', async () => {
  assert.equal(await measure(pair('01122000', '01113000'), dice()), {
    dice_1: 0.8,
    dice_2: Number.NaN,
    dice_3: 0,
    dice_mean: 0.4,
  });
});

test('metrics name labels as the dataset or the model does, and then take these only', async () => {
  const labelNames = { 0: 'background', 1: 'spleen', 2: 'left kidney' };
  const subject = pair('01133', '01103', { labelNames });
  assert.equal(await measure(subject, dice()), {
    dice_spleen: 1,
    'dice_left kidney': Number.NaN,
    dice_mean: 1,
  });
  const model = { ...pair('011', '001'), volumes: { pred: row('011', { labelNames }), label: row('001') } };
  assert.equal(Object.keys(await measure(model, iou())), ['iou_spleen', 'iou_left kidney', 'iou_mean']);
});

test('metrics of two empty masks without names are those of label 1', async () => {
  assert.equal(await measure(pair('000', '000'), dice(), hausdorff()), {
    dice_1: Number.NaN,
    hd_1: Number.NaN,
  });
});

test('metrics take the labels asked for by number or name, and the background on request', async () => {
  const subject = pair('01122000', '01113000', { labelNames: { 1: 'spleen' } });
  assert.equal(await measure(subject, dice({ labels: [2, 'spleen'] })), {
    dice_2: Number.NaN,
    dice_spleen: 0.8,
    dice_mean: 0.8,
  });
  assert.equal(Object.keys(await measure(subject, dice({ includeBackground: true }))), [
    'dice_0',
    'dice_spleen',
    'dice_mean',
  ]);
  await fails(measure(subject, dice({ labels: ['spleeen'] })), /no label "spleeen"; did you mean "spleen"/);
});

/** Masks of 4 voxels, one in each channel. */
const masks = (...channels: string[]) =>
  makeVolume({
    data: Uint8Array.from(channels.join(''), Number),
    size: [4, 1, 1],
    channels: channels.length,
    kind: 'label',
  });

test('metrics of one-hot labels leave out channel 0, the background', async () => {
  const subject = makeCase({
    id: 'a',
    volumes: { pred: masks('1001', '0100', '0010'), label: masks('1000', '0100', '0011') },
  });
  const expected = { dice_1: 1, dice_2: 2 / 3, dice_mean: (1 + 2 / 3) / 2, hd_1: 0, hd_2: 1, hd_mean: 0.5 };
  assert.equal(await measure(subject, dice(), hausdorff()), expected);
  assert.is((await measure(subject, iou({ includeBackground: true }))).iou_0, 0.5);
  const named = makeCase({ ...subject, labelNames: { 0: 'background', 1: 'liver', 5: 'tumor' } });
  assert.equal(Object.keys(await measure(named, dice())), ['dice_liver', 'dice_tumor', 'dice_mean']);
});

test("metrics of masks without a background, e.g. BraTS' overlapping ones, measure all channels and say so", async () => {
  const volumes = { pred: masks('0100', '1100'), label: masks('0110', '1111') };
  const subject = makeCase({ id: 'a', volumes });
  const { metrics, notes } = await lastValueFrom(of(subject).pipe(dice()));
  assert.equal(nameValues(metrics), { dice_0: 2 / 3, dice_1: 2 / 3, dice_mean: 2 / 3 });
  assert.match(
    notes?.join() ?? '',
    /Channel 0 of the label is not a background, so all 2 channels are measured/,
  );
  const named = makeCase({ ...subject, labelNames: { 0: 'background', 1: 'core', 2: 'whole' } });
  assert.equal(Object.keys(await measure(named, dice())), ['dice_core', 'dice_whole', 'dice_mean']);
  const unlike = makeCase({ ...subject, labelNames: { 0: 'background', 1: 'a', 2: 'b', 3: 'c' } });
  await fails(measure(unlike, dice()), /has 2 channels, but the dataset names 3 labels: a, b and c/);
});

test('metrics of regions are those of masks of their labels, as in nnU-Net', async () => {
  const regions = [
    { name: 'whole', labels: [1, 2, 3] },
    { name: 'core', labels: [2, 3] },
  ];
  const subject = pair('0112300000', '0012230000', { regions, labelNames: { 0: 'background' } });
  const expected = { dice_whole: 0.75, dice_core: 0.8, dice_mean: 0.775 };
  assert.equal(await measure(subject, dice()), expected);
  assert.equal(await measure(subject, dice({ labels: ['core'] })), { dice_core: 0.8 });
  assert.equal(await measure(subject, dice({ labels: [3] })), { dice_3: 0 });
  await fails(measure(subject, dice({ labels: ['cor'] })), /no label "cor"; did you mean "core"/);
  // Masks that are regions already.
  const channels = makeCase({
    id: 'a',
    regions,
    volumes: { pred: masks('0110', '0100'), label: masks('0110', '0010') },
  });
  assert.equal(await measure(channels, dice()), { dice_whole: 1, dice_core: 0, dice_mean: 0.5 });
});

test('metrics leave out the voxels that the reference ignores, as in nnU-Net', async () => {
  // Voxels 4 and 5 are ignored. Of the others, label 1 is in 1 and 2 against 2 and 3.
  const subject = pair('0110110000', '0011440000', {
    ignoreLabel: 4,
    labelNames: { 0: 'background', 1: 'a' },
  });
  const { metrics, notes } = await lastValueFrom(of(subject).pipe(dice(), confusion(), hausdorff()));
  const expected = { dice_a: 0.5, sensitivity_a: 0.5, specificity_a: 5 / 6, precision_a: 0.5, hd_a: 1 };
  assert.equal(nameValues(metrics), expected);
  assert.is(notes, undefined);
  const sizes = await measure(subject, volume());
  assert.equal([sizes.volume_ml_a, sizes.volume_ml_ref_a], [0.002, 0.002]);
});

test('labels are compared by name where prediction and reference number them differently', async () => {
  const notesOf = async (subject: Case) => (await lastValueFrom(of(subject).pipe(dice()))).notes ?? [];
  const volumes = {
    // Label 3 of the prediction has a name that the reference does not know.
    pred: row('011220330', { labelNames: { 1: 'spleen', 2: 'liver', 3: 'aorta' } }),
    label: row('022110003', { labelNames: { 1: 'liver', 2: 'spleen', 3: 'kidney' } }),
  };
  const subject = makeCase({ id: 'a', volumes });
  const expected = { dice_liver: 1, dice_spleen: 1, dice_kidney: 0, dice_mean: 2 / 3 };
  assert.equal(await measure(subject, dice(), hausdorff({ directed: true, labels: ['liver'] })), {
    ...expected,
    directed_hd_liver: 0,
  });
  assert.match(
    (await notesOf(subject))[0],
    /differently than the reference: "spleen" is 1, not 2 and "liver"/,
  );
  // The names of the dataset count for a reference without names.
  const model = makeCase({
    id: 'a',
    labelNames: { 0: 'background', 1: 'liver', 2: 'spleen' },
    volumes: { pred: row('0110', { labelNames: { 0: 'background', 1: 'spleen' } }), label: row('0221') },
  });
  assert.equal(await measure(model, dice()), { dice_liver: 0, dice_spleen: 1, dice_mean: 0.5 });
  // Names that have nothing in common say nothing about the numbers.
  const unlike = makeCase({
    id: 'a',
    volumes: { pred: row('01', { labelNames: { 1: 'x' } }), label: row('01', { labelNames: { 1: 'y' } }) },
  });
  assert.equal(await measure(unlike, dice()), { dice_y: 1 });
  assert.match((await notesOf(unlike))[0], /Label 1 is named "x" in the prediction and "y" in the reference/);
});

test('masks are compared by name with a label map, and with masks in another order', async () => {
  const labelNames = { 1: 'liver', 2: 'tumor' };
  const turned = { 1: 'tumor', 2: 'liver' };
  const mean = (2 / 3 + 1) / 2;
  const expected = { dice_liver: 2 / 3, dice_tumor: 1, dice_mean: mean };
  const one = { ...masks('1000', '0110', '0011'), labelNames };
  const two = { ...masks('1000', '0011', '0110'), labelNames: turned };
  const map = row('0122', { labelNames });
  const compared = (pred: Volume, label: Volume) =>
    measure(makeCase({ id: 'a', volumes: { pred, label } }), dice());
  assert.equal(await compared(one, map), expected);
  assert.equal(await compared(two, map), expected);
  assert.equal(await compared(map, two), { dice_tumor: 1, dice_liver: 2 / 3, dice_mean: mean });
  assert.equal(await compared(one, two), { dice_tumor: 1, dice_liver: 1, dice_mean: 1 });
});

test('channels with several values are refused, and a background that is not the largest channel is noted', async () => {
  const measured = (label: Volume) => {
    const subject = makeCase({ id: 'a', volumes: { pred: label, label } });
    return lastValueFrom(of(subject).pipe(dice()));
  };
  await fails(
    measured(masks('0120', '1001')),
    /channel 0 has the values 1 and 2\. In several channels, each must/,
  );
  const { notes } = await measured(masks('1000', '0100', '0011'));
  assert.match(
    notes?.join() ?? '',
    /Channel 0 of the label is taken as the background, .* but channel 2 has more/,
  );
  assert.is((await measured(masks('1100', '0010', '0001'))).notes, undefined);
});

test('labels below 0 are noted where the dataset does not name labels', async () => {
  const data = Int8Array.from([-1, -1, 1, 1]);
  const label = makeVolume({ data, size: [4, 1, 1], kind: 'label' });
  const subject = makeCase({ id: 'a', volumes: { pred: label, label } });
  const { notes } = await lastValueFrom(of(subject).pipe(dice()));
  assert.match(notes?.join() ?? '', /Labels below 0 occur and are measured: -1\./);
});

test('volumes are measured on the grid of the reference', async () => {
  // Within the tolerance of grids.
  const affine = [1.01, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const subject = makeCase({ id: 'a', volumes: { pred: row('0110', { affine }), label: row('0110') } });
  assert.equal(await measure(subject, volume()), {
    volume_ml_1: 0.002,
    volume_ml_ref_1: 0.002,
    volume_difference_ml_1: 0,
    volume_relative_1: 0,
  });
});

test('labels that the dataset does not name are reported, unless labels were chosen', async () => {
  const subject = pair('01152', '01144', { labelNames: { 0: 'background', 1: 'a' } });
  const notesOf = async (step: Step) => (await lastValueFrom(of(subject).pipe(step))).notes;
  assert.match(
    (await notesOf(dice()))?.join() ?? '',
    /^Labels 2, 4 and 5 occur, but the dataset does not name them/,
  );
  assert.is(await notesOf(dice({ labels: [1, 4] })), undefined);
});

test('an image that is compared as a label map is refused', async () => {
  const values = Int16Array.from({ length: 300 }, (_, i) => i - 100);
  const image = makeVolume({ data: values, size: [300, 1, 1], kind: 'label' });
  const subject = makeCase({ id: 'a', volumes: { pred: image, label: image } });
  await fails(
    measure(subject, dice()),
    /299 different labels without a name, from -100 to 199: one of them is probably/,
  );
  assert.equal(await measure(subject, dice({ labels: [7] })), { dice_7: 1 });
});

test('confusion counts voxels in and outside a label', async () => {
  assert.equal(await measure(pair('0111000000', '0011111000'), confusion()), {
    sensitivity_1: 0.4,
    specificity_1: 0.8,
    precision_1: 2 / 3,
  });
});

test('hausdorff takes percentiles and directions', async () => {
  // Distances: 0 0 0 3 to the reference, 0 0 0 to the prediction.
  const subject = pair('111001', '111000');
  assert.equal(await measure(subject, hausdorff(), hausdorff({ percentile: 50 })), { hd_1: 3, hd50_1: 0 });
  const back = pair('111000', '111001');
  assert.equal(await measure(back, hausdorff({ directed: true })), { directed_hd_1: 0 });
  assert.equal(await measure(subject, hausdorff({ directed: true, percentile: 75 })), {
    directed_hd75_1: 0.75,
  });
  const empty = pair('000000', '111001', { labelNames: { 1: 'a' } });
  assert.equal(await measure(empty, hausdorff({ directed: true })), {
    directed_hd_a: Number.POSITIVE_INFINITY,
  });
});

test('averageSurfaceDistance averages over both surfaces, or from the prediction alone', async () => {
  const subject = pair('111001', '111000');
  assert.equal(await measure(subject, averageSurfaceDistance()), { assd_1: 3 / 7 });
  assert.equal(await measure(subject, averageSurfaceDistance({ symmetric: false })), { asd_1: 0.75 });
});

test('surfaceDice counts a distance that equals the tolerance but for rounding, and takes one per label', async () => {
  const affine = [0.7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const volumes = { pred: row('100022', { affine }), label: row('000122', { affine }) };
  const subject = makeCase({ id: 'a', volumes });
  assert.is((await measure(subject, surfaceDice({ tolerance: 2.1 }))).nsd_1, 1);
  assert.is((await measure(subject, surfaceDice({ tolerance: 2.09 }))).nsd_1, 0);
  assert.equal(await measure(subject, surfaceDice({ tolerance: { 1: 2, 2: 0 } })), {
    nsd_1: 0,
    nsd_2: 1,
    nsd_mean: 0.5,
  });
  await fails(measure(subject, surfaceDice({ tolerance: { 1: 2 } })), /names 1, but not the label 2/);
});

test('volume is in mL, compared with the reference where there is one', async () => {
  const affine = [10, 0, 0, 0, 0, 10, 0, 0, 0, 0, -20, 0, 0, 0, 0, 1];
  const volumes = { pred: row('01110', { affine }), label: row('00110', { affine }) };
  assert.equal(await measure(makeCase({ id: 'a', volumes }), volume()), {
    volume_ml_1: 6,
    volume_ml_ref_1: 4,
    volume_difference_ml_1: 2,
    volume_relative_1: 0.5,
  });
  assert.equal(await measure(makeCase({ id: 'a', volumes: { pred: volumes.pred } }), volume()), {
    volume_ml_1: 6,
  });
});

test('components counts the parts of each label', async () => {
  const subject = pair('1011021', '1110000', { labelNames: { 1: 'a', 2: 'b' } });
  assert.equal(await measure(subject, components()), {
    components_a: 3,
    components_b: 1,
    components_ref_a: 1,
    components_ref_b: 0,
  });
});

test('metrics of one prediction share the passes over its volumes', async () => {
  const runtime = defaultRuntime();
  const done: string[] = [];
  const counting: Runtime = {
    ...runtime,
    run: (task, ...args) => {
      done.push(task.name);
      return runtime.run(task, ...args);
    },
  };
  const context = { id: 'step', runtime: counting };
  const subject = pair('0112200', '0111220');
  await measure(
    subject,
    dice({}, context),
    hausdorff({ labels: [1] }, context),
    surfaceDice({}, context),
    averageSurfaceDistance({}, context),
  );
  // The second time for label 2 alone.
  assert.equal(done, ['countOverlaps', 'surfaceDistances', 'surfaceDistances']);
});

test('metrics read the reference again when steps have changed it, unless an option forbids it', async () => {
  const file = join(golden, 'shifted/label.nii.gz');
  const stored = await readVolume(file, { kind: 'label' });
  const history = [{ step: 'orient', from: stored, axes: [0, 1, 2], flips: [0, 0, 0] }] as const;
  const changed = { ...stored, data: new Uint8Array(stored.data.length), history };
  const volumes = { pred: stored, label: changed };
  const subject = makeCase({ id: 'a', files: { label: file }, volumes });
  assert.equal(await measure(subject, dice()), { dice_1: 1 });
  assert.equal(await measure(subject, dice({ stored: false })), { dice_1: Number.NaN });
  await fails(
    measure({ ...subject, files: {} }, dice()),
    /steps changed it \(orient\) and case a has no file to read it from again/,
  );
});

test('metrics refuse what cannot be compared, and say what to do', async () => {
  const longer = makeCase({ id: 'ct_1', volumes: { pred: row('011'), label: row('0110') } });
  await fails(
    measure(longer, dice()),
    /dice: pred and label of case ct_1 lie on different grids: pred has 3 x 1 x 1 voxels, label as stored has 4 x 1 x 1 voxels\. Put "invert" before dice/,
  );
  const affine = [1, 0, 0, 5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const moved = makeCase({ id: 'a', volumes: { pred: row('011', { affine }), label: row('011') } });
  await fails(measure(moved, hausdorff()), /pred has the affine \[1, 0, 0, 5/);
  const soft = makeCase({
    id: 'a',
    volumes: { pred: row('011', { kind: 'probability' }), label: row('011') },
  });
  await fails(measure(soft, dice()), /pred of case a holds probability\. Put asDiscrete before dice/);
  const image = makeCase({ id: 'a', volumes: { pred: row('011'), label: row('011', { kind: 'image' }) } });
  await fails(measure(image, dice()), /holds an image\. Have load read it as labels/);
  await fails(measure(makeCase({ id: 'a', volumes: { pred: row('0') } }), dice()), /no volume "label"/);
});

async function fails(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: Error) => reason,
  );
  assert.match(error?.message ?? 'nothing was thrown', message);
}

test.run();
