import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { activations } from '#src/operators/activations.js';
import { asDiscrete } from '#src/operators/asDiscrete.js';
import { makeVolume } from '#src/volume/volume.js';
import { refused, through } from '../shared.js';

const pred = makeVolume({
  data: Float32Array.of(0, 2, Math.log(3), 1),
  size: [2, 1, 1],
  channels: 2,
  kind: 'logits',
  labelNames: { 1: 'spleen' },
});
const subject = makeCase({ id: 'a', volumes: { pred } });

test('activations convert logits to probabilities with softmax or sigmoid', async () => {
  const soft = await through(activations({ softmax: true }), subject);
  assert.is(soft.volumes.pred.kind, 'probability');
  assert.ok(Math.abs(soft.volumes.pred.data[0] - 0.25) < 1e-6);
  assert.ok(Math.abs(soft.volumes.pred.data[2] - 0.75) < 1e-6);
  const logistic = await through(activations({ sigmoid: true }), subject);
  assert.is(logistic.volumes.pred.data[0], 0.5);
  assert.ok(soft.timings.activations > 0);
});

test('activations require exactly one of softmax and sigmoid', () => {
  const message = 'activations: exactly one of softmax and sigmoid must be true.';
  refused(() => activations({}), message);
  refused(() => activations({ softmax: true, sigmoid: true }), message);
});

test('asDiscrete picks the largest channel, or applies a threshold, and keeps the label names', async () => {
  const labels = await through(asDiscrete({ argmax: true }), subject);
  assert.equal(Array.from(labels.volumes.pred.data), [1, 0]);
  assert.equal([labels.volumes.pred.channels, labels.volumes.pred.kind], [1, 'label']);
  assert.equal(labels.volumes.pred.labelNames, { 1: 'spleen' });
  const mask = await through(asDiscrete({ threshold: 1 }), subject);
  assert.equal(Array.from(mask.volumes.pred.data), [0, 1, 1, 1]);
  assert.ok(mask.timings.asDiscrete > 0);
});

test('asDiscrete accepts a threshold of 0, and requires exactly one of argmax and threshold', async () => {
  const mask = await through(asDiscrete({ threshold: 0 }), subject);
  assert.equal(Array.from(mask.volumes.pred.data), [1, 1, 1, 1]);
  const message = 'asDiscrete: either argmax must be true or threshold must be given, but not both.';
  refused(() => asDiscrete({}), message);
  refused(() => asDiscrete({ argmax: true, threshold: 0.5 }), message);
});

test.run();
