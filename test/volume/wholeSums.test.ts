import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '#src/volume/random.js';
import { type Vec3, voxelCount } from '#src/volume/volume.js';
import { slabCount, WholeSums } from '#src/volume/wholeSums.js';
import { type ModelAxes, planWindows, windowWeights } from '#src/volume/windows.js';

interface Setting {
  readonly size: Vec3;
  readonly roiSize: Vec3;
  readonly mode?: 'gaussian';
  readonly axes?: ModelAxes;
  readonly channels?: number;
  readonly models?: number;
}

const settings: Readonly<Record<string, Setting>> = {
  'several windows along z': { size: [5, 6, 37], roiSize: [4, 4, 12] },
  'weights, and windows that a model reads z fastest': {
    ...{ size: [5, 4, 30], roiSize: [4, 3, 10], mode: 'gaussian', axes: 'xyz', channels: 2 },
  },
  'a volume that is thinner than a window and a slab': { size: [7, 5, 3], roiSize: [4, 4, 8], channels: 2 },
  'two models': { size: [5, 4, 20], roiSize: [4, 4, 12], channels: 2, models: 2 },
};

/** Adds random windows; `next` chooses which of the parts whose turn has come is added next. */
function logits(setting: Setting, next: (parts: number) => number): Float32Array {
  const { size, roiSize, mode = 'constant', axes = 'zyx', channels = 1, models = 1 } = setting;
  const plan = planWindows(size, { roiSize, overlap: [0.5, 0.5, 0.5] });
  const weights = windowWeights(roiSize, { mode, sigmaScale: [0.125, 0.125, 0.125] });
  const out = new Float32Array(voxelCount(size) * channels);
  for (let place = 0; place < models; place++) {
    const sums = new WholeSums({
      ...{ plan, size, axes, outChannels: channels, weights, out, models: { place, count: models } },
    });
    const added = new Int32Array(slabCount(size));
    const waiting = Array.from({ length: plan.count }, (_, step) => {
      const random = new Random(100 * place + step);
      const values = Float32Array.from({ length: voxelCount(roiSize) * channels }, () => random.normal(0, 2));
      const { start, end } = sums.slabs(step);
      return Array.from({ length: end - start }, (_, k) => ({ step, slab: start + k, values }));
    }).flat();
    while (waiting.length > 0) {
      const ready = waiting.filter(({ step, slab }) => sums.turn(step, slab) === added[slab]);
      const part = ready[next(ready.length)];
      assert.ok(part, 'there is always a part whose turn has come');
      waiting.splice(waiting.indexOf(part), 1);
      sums.add(part.step, part.slab, part.values);
      added[part.slab]++;
    }
  }
  return out;
}

for (const [name, setting] of Object.entries(settings)) {
  test(`windows that are added slab by slab, in any order of slabs, give the same bits: ${name}`, () => {
    const first = logits(setting, () => 0);
    assert.ok(first.every((value) => Number.isFinite(value) && value !== 0));
    const random = new Random(1);
    assert.equal(
      logits(setting, (parts) => Math.floor(random.uniform() * parts)),
      first,
    );
    assert.equal(
      logits(setting, (parts) => parts - 1),
      first,
    );
  });
}

test.run();
