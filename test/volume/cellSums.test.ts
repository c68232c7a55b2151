import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CellSums, type Summation, storedChannels } from '#src/volume/cellSums.js';
import { argmax, regionLabels, softmax } from '#src/volume/classes.js';
import { cropOrPad } from '#src/volume/crop.js';
import { invertHistory } from '#src/volume/invert.js';
import { labelPath } from '#src/volume/labelPath.js';
import type { Decision } from '#src/volume/labels.js';
import { parseAxcodes } from '#src/volume/orientation.js';
import { Random } from '#src/volume/random.js';
import { reorient } from '#src/volume/reorient.js';
import { respace } from '#src/volume/resample.js';
import { makeVolume, type Vec3, type Volume, voxelCount } from '#src/volume/volume.js';
import { WholeSums } from '#src/volume/wholeSums.js';
import { modelTurns, planCells } from '#src/volume/windowCells.js';
import { planWindows, windowWeights } from '#src/volume/windows.js';

const affine = [0, -1.2, 0, 4, -0.8, 0, 0, 3, 0, 0, 2.5, 0, 0, 0, 0, 1];

/** An image that went through geometric steps. */
function processed(size: Vec3, steps: readonly string[]): Volume {
  let image = makeVolume({ data: new Float32Array(voxelCount(size)), size, affine });
  for (const step of steps) {
    if (step === 'orient') image = reorient(image, parseAxcodes('RAS'));
    else if (step === 'turn') image = reorient(image, parseAxcodes('SPR'));
    else if (step === 'space') {
      const settings = {
        pixdim: [1.1, 1.4, 1.7] as Vec3,
        mode: 'bilinear' as const,
        padding: 'border' as const,
      };
      image = respace(image, { ...settings, diagonal: false, scaleExtent: false });
    } else if (step === 'zeros') {
      const settings = {
        pixdim: [0.9, 1.3, 2.9] as Vec3,
        mode: 'bilinear' as const,
        padding: 'zeros' as const,
      };
      image = respace(image, { ...settings, diagonal: false, scaleExtent: false });
    } else if (step === 'crop') image = cropOrPad(image, [2, 1, 0], [11, 12, 9]);
    else image = cropOrPad(image, [-2, -3, 1], [image.size[0] + 3, image.size[1] + 5, image.size[2] + 2]);
  }
  return image;
}

interface Case {
  readonly size: Vec3;
  readonly steps?: readonly string[];
  readonly roiSize: Vec3;
  readonly overlap: number;
  readonly mode: 'constant' | 'gaussian';
  readonly axes?: 'xyz' | 'zyx';
  readonly channels?: number;
  readonly decision?: Decision;
  readonly difference?: boolean;
  /** The storage to aim for, as a share of the volume. */
  readonly share?: number;
  /** How many models take turns of four windows. */
  readonly models?: number;
}

/** Labels of random windows: of the whole volume, step by step, and from cells. */
function bothWays(given: Case): { whole: Volume; cells: Volume } {
  const { axes = 'zyx', channels = 5, decision = { softmax: true }, difference = false, share = 1 } = given;
  const { models: count = 1 } = given;
  const image = processed(given.size, given.steps ?? []);
  const { size } = image;
  const overlap: Vec3 = [given.overlap, given.overlap, given.overlap];
  const plan = planWindows(size, { roiSize: given.roiSize, overlap });
  const weights = windowWeights(plan.roiSize, { mode: given.mode, sigmaScale: [0.125, 0.125, 0.125] });
  const summation: Summation = { plan, size, axes, outChannels: channels, weights };
  const voxels = voxelCount(size);
  const outputOf = (window: number, place: number) => {
    const random = new Random(1000 * place + window);
    return Float32Array.from({ length: voxelCount(plan.roiSize) * channels }, () => random.normal(0, 2));
  };

  const data = new Float32Array(voxels * (difference ? channels + 1 : channels));
  const out = data.subarray(data.length - voxels * channels);
  const places = Array.from({ length: count }, (_, place) => ({ place, count }));
  const wholes = places.map((models) => new WholeSums({ ...summation, out, models }));
  for (const [place, whole] of wholes.entries()) {
    for (let window = 0; window < plan.count; window++) {
      const output = outputOf(window, place);
      const { start, end } = whole.slabs(window);
      for (let slab = start; slab < end; slab++) whole.add(window, slab, output);
    }
  }
  const logits = makeVolume({ ...image, data, channels: data.length / voxels, kind: 'logits' });
  const values = decision.softmax ? softmax(logits) : logits;
  const back = given.steps ? invertHistory(values, image.history, 'bilinear') : values;
  const expected = decision.regions ? regionLabels(back, decision.regions) : argmax(back);

  const turn = count > 1 ? 4 : 1;
  const limits = { interpolate: given.steps !== undefined, voxels: share * voxels, turn };
  const cells = planCells(plan, size, limits);
  const path = given.steps && labelPath(image, image.history);
  if (given.steps) assert.ok(path, 'the steps can be undone in one pass');
  const labels = new Uint8Array(voxelCount(path?.grid.size ?? size));
  // What another cell left must not matter.
  const storage = new Float32Array(cells.voxels * storedChannels(channels, weights !== undefined)).fill(
    Number.NaN,
  );
  const work = { ...summation, cells, storage, difference, decision, ...(path && { path }), labels };
  // Steps are shared between threads, each with its own sums on the same storage.
  const threads = places.map((models) => [0, 1, 2].map(() => new CellSums({ ...work, models })));
  const windows = cells.bands.flatMap(({ order }) => [...order]);
  for (const { start, end } of modelTurns(cells, turn)) {
    for (const [place, sums] of threads.entries()) {
      for (let step = start; step < end; step++) {
        assert.equal(sums[0].start(step), wholes[0].start(windows[step]));
        sums[step % 3].add(step, outputOf(windows[step], place));
      }
    }
  }
  const made = makeVolume({ data: labels, size: path?.grid.size ?? size, kind: 'label' });
  return { whole: expected, cells: made };
}

const size: Vec3 = [23, 19, 21];
const cases: Record<string, Case> = {
  'windows that overlap by a quarter': { size, roiSize: [8, 8, 8], overlap: 0.25, mode: 'gaussian' },
  'equal weights': { size, roiSize: [8, 6, 7], overlap: 0.5, mode: 'constant' },
  'windows that do not overlap': { size, roiSize: [5, 8, 7], overlap: 0, mode: 'constant' },
  'windows that overlap by three quarters': { size, roiSize: [8, 8, 8], overlap: 0.75, mode: 'gaussian' },
  'one window along an axis': { size, roiSize: [32, 8, 8], overlap: 0.25, mode: 'gaussian' },
  'a volume smaller than a window': { size: [5, 6, 7], roiSize: [8, 8, 8], overlap: 0.25, mode: 'gaussian' },
  'models that read x first': { size, roiSize: [8, 9, 10], overlap: 0.25, mode: 'gaussian', axes: 'xyz' },
  'raw logits': { size, roiSize: [8, 8, 8], overlap: 0.4, mode: 'gaussian', decision: { softmax: false } },
  'a channel that stands for two': {
    size,
    roiSize: [8, 8, 8],
    overlap: 0.25,
    mode: 'constant',
    channels: 1,
    difference: true,
  },
};
const everyWay: Record<string, Partial<Case>> = {
  '': {},
  ', back to the grid of the file': { steps: ['orient', 'space'] },
  ', in bands': { share: 0.2 },
  ', back to the grid of the file in bands': { steps: ['orient', 'space'], share: 0.2 },
};

for (const models of [2, 3]) {
  for (const mode of ['gaussian', 'constant'] as const) {
    test(`labels of ${models} models in turns are those of their mean, in bands (${mode})`, () => {
      const steps = ['orient', 'space'];
      const { whole, cells } = bothWays({
        size,
        roiSize: [8, 7, 6],
        overlap: 0.5,
        mode,
        steps,
        share: 0.4,
        models,
      });
      assert.equal(Array.from(cells.data), Array.from(whole.data));
    });
  }
}

for (const [name, one] of Object.entries(cases)) {
  for (const [how, more] of Object.entries(everyWay)) {
    test(`labels from cells are those of a whole volume, for ${name}${how}`, () => {
      const { whole, cells } = bothWays({ ...one, ...more });
      assert.equal(cells.size, whole.size);
      assert.equal(Array.from(cells.data), Array.from(whole.data));
      assert.ok(new Set(whole.data).size > 1);
    });
  }
}

for (const steps of [
  ['orient', 'zeros'],
  ['crop', 'orient', 'space'],
  ['orient', 'space', 'crop'],
  ['pad', 'space', 'crop', 'turn'],
  ['orient', 'zeros', 'pad'],
  ['turn', 'pad', 'orient', 'crop'],
]) {
  for (const decision of [
    { softmax: true },
    { softmax: false },
    { softmax: false, regions: [3, 1, 4, 2, 7] },
  ]) {
    test(`labels from cells undo ${steps.join(', ')} as separate steps do (${JSON.stringify(decision)})`, () => {
      const { whole, cells } = bothWays({
        size,
        steps,
        roiSize: [8, 7, 9],
        overlap: 0.25,
        mode: 'gaussian',
        decision,
        share: 0.4,
      });
      assert.equal(cells.size, whole.size);
      assert.equal(Array.from(cells.data), Array.from(whole.data));
    });
  }
}

test('the storage is a part of the volume, and smaller in bands', () => {
  const large: Vec3 = [288, 288, 360];
  const plan = planWindows(large, { roiSize: [96, 96, 96], overlap: [0.25, 0.25, 0.25] });
  const share = (interpolate: boolean, voxels: number) => {
    const cells = planCells(plan, large, { interpolate, voxels });
    return [cells.voxels / voxelCount(large), cells.bands.length, cells.steps / plan.count];
  };
  const [one, bands, steps] = share(false, Number.POSITIVE_INFINITY);
  assert.ok(one < 0.18, `${one}`);
  assert.equal([bands, steps], [1, 1]);
  const [two, twoBands, moreSteps] = share(false, 0.15 * voxelCount(large));
  assert.ok(two < 0.12, `${two}`);
  assert.equal([twoBands, moreSteps], [2, 1.2]);
  const [interpolated] = share(true, 0.15 * voxelCount(large));
  assert.ok(interpolated > two && interpolated < 0.13, `${interpolated}`);
});

test('random sizes, windows and overlaps give the labels of a whole volume', () => {
  const random = new Random(5);
  const whole = (low: number, high: number) => Math.floor(random.uniform(low, high + 1));
  for (let i = 0; i < 60; i++) {
    const given: Case = {
      size: [whole(6, 20), whole(6, 20), whole(6, 20)],
      roiSize: [whole(3, 10), whole(3, 10), whole(3, 10)],
      overlap: random.uniform(0, 0.8),
      mode: i % 2 ? 'gaussian' : 'constant',
      channels: whole(2, 4),
      decision: { softmax: i % 3 === 0 },
      share: random.uniform(0.1, 1),
      ...(i % 4 > 1 && { steps: ['orient', 'space'] }),
    };
    const { whole: expected, cells } = bothWays(given);
    assert.equal(Array.from(cells.data), Array.from(expected.data), JSON.stringify(given));
  }
});

test.run();
