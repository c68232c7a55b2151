import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { measure } from '#src/bundle/run/measure.js';
import type { MetricTarget } from '#src/bundle/targets/metrics.js';
import { makeVolume } from '#src/volume/volume.js';

const size = [6, 5, 2] as const;
const count = 60;

/** Masks of two classes, background and one more, from the voxels of the latter. */
function masks(voxels: readonly (readonly [number, number, number])[]) {
  const data = new Uint8Array(2 * count).fill(1, 0, count);
  for (const [x, y, z] of voxels) {
    const i = (z * size[1] + y) * size[0] + x;
    data[i] = 0;
    data[count + i] = 1;
  }
  return makeVolume({ data, size, channels: 2 });
}

const metric = (kind: MetricTarget['kind'], more: Partial<MetricTarget> = {}): MetricTarget => ({
  name: 'it',
  kind,
  keys: ['pred', 'label'],
  includeBackground: false,
  ignoreEmpty: true,
  ...more,
});

const none = masks([]);
const corner = masks([[0, 0, 0]]);
const three = masks([
  [3, 4, 0],
  [4, 4, 0],
  [0, 0, 1],
]);

test('distances are those of MONAI, in voxels', () => {
  for (const [pred, label, target, expected] of [
    // From the corner, the nearest voxel of the three is 1 away; the others are 5 and sqrt(32) from it.
    [corner, three, metric('hausdorff'), Math.sqrt(32)],
    [corner, three, metric('hausdorff', { oneWay: true }), 1],
    [three, corner, metric('hausdorff', { percentile: 50 }), 5],
    [three, corner, metric('surface', { oneWay: true }), (1 + 5 + Math.sqrt(32)) / 3],
    [three, corner, metric('surface', { oneWay: false }), (2 + 5 + Math.sqrt(32)) / 4],
    [corner, corner, metric('hausdorff'), 0],
    // Empty masks.
    [none, none, metric('hausdorff'), Number.NaN],
    [none, corner, metric('hausdorff'), Number.POSITIVE_INFINITY],
    [corner, none, metric('hausdorff', { percentile: 95 }), Number.NaN],
    [corner, none, metric('surface'), Number.POSITIVE_INFINITY],
  ] as const) {
    const name = JSON.stringify(target);
    assert.equal(measure(pred, label, target).values, [Math.fround(expected)], name);
  }
  assert.is(measure(corner, three, metric('hausdorff', { includeBackground: true })).values.length, 2);
});

test('errors are means over all voxels and channels', () => {
  const values = (...data: number[]) =>
    makeVolume({ data: Float32Array.from(data), size: [2, 1, 1], channels: 2 });
  const [pred, label] = [values(0, 1, 0.5, 3), values(0, 0, 1, 1)];
  assert.equal(measure(pred, label, metric('mae')).values, [0.875]);
  assert.equal(measure(pred, label, metric('mse')).values, [1.3125]);
  assert.equal(measure(pred, label, metric('rmse')).values, [Math.fround(Math.sqrt(1.3125))]);
});

test.run();
