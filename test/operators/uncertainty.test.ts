import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { uncertainty } from '#src/operators/uncertainty.js';
import { makeVolume } from '#src/volume/volume.js';
import { through } from '../shared.js';

const round = (values: ArrayLike<number>) => Array.from(values, (value) => Math.round(value * 1e6) / 1e6);
const entropy = (...parts: readonly number[]) =>
  parts.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);
const caseWith = (pred: ReturnType<typeof makeVolume>) => makeCase({ id: 'a', volumes: { pred } });

test('uncertainty is the entropy of softmax, and its mean over voxels that are not background', async () => {
  const logits = [...[0, 0, 5], ...[0, Math.log(2), -900], ...[0, 0, -900]];
  const pred = makeVolume({ size: [3, 1, 1], channels: 3, kind: 'logits', data: Float32Array.from(logits) });
  const { volumes, metrics } = await through(uncertainty(), caseWith(pred));
  const second = entropy(1 / 4, 1 / 2, 1 / 4) / Math.log(3);
  assert.equal(round(volumes.uncertainty.data), round([1, second, 0]));
  assert.is(volumes.pred, pred);
  // Only in the second voxel is the largest class not the background.
  assert.equal(round([metrics[0].value]), round([second]));
  assert.equal([metrics[0].metric.name, metrics[0].label], ['uncertainty', null]);
});

test('with regions, it is the mean entropy of the channels in bits', async () => {
  const pred = makeVolume({
    size: [2, 1, 1],
    channels: 2,
    kind: 'logits',
    data: Float32Array.of(0, -1, Math.log(3), -2),
  });
  const { volumes, metrics } = await through(uncertainty({ regions: true }), caseWith(pred));
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  const bits = (p: number) => entropy(p, 1 - p) / Math.LN2;
  const wanted = [(1 + bits(3 / 4)) / 2, (bits(sigmoid(-1)) + bits(sigmoid(-2))) / 2];
  assert.equal(round(volumes.uncertainty.data), round(wanted));
  assert.equal(round([metrics[0].value]), round([wanted[0]]));
});

test('without foreground the mean is undefined, and label maps are refused', async () => {
  const pred = makeVolume({ size: [1, 1, 1], channels: 2, kind: 'logits', data: Float32Array.of(1, 0) });
  const { metrics } = await through(uncertainty(), caseWith(pred));
  assert.ok(Number.isNaN(metrics[0].value));
  const error = await through(uncertainty(), caseWith({ ...pred, kind: 'label' })).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(
    error.message,
    /pred of case a has 2 channel\(s\) of kind label, but logits of two classes or more/,
  );
});

test.run();
