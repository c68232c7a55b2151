import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { activations } from '#src/operators/activations.js';
import { asDiscrete } from '#src/operators/asDiscrete.js';
import { convertToMultiChannelBrats } from '#src/operators/convertToMultiChannelBrats.js';
import { mergeClasses } from '#src/operators/mergeClasses.js';
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

test('asDiscrete accepts a threshold of 0, and requires something to do', async () => {
  const mask = await through(asDiscrete({ threshold: 0 }), subject);
  assert.equal(Array.from(mask.volumes.pred.data), [1, 1, 1, 1]);
  refused(
    () => asDiscrete({}),
    'asDiscrete: argmax must be true, or toOnehot, threshold or rounding must be given.',
  );
});

test('asDiscrete makes channels of labels, after argmax if both are given', async () => {
  const both = (await through(asDiscrete({ argmax: true, toOnehot: 3 }), subject)).volumes.pred;
  assert.equal([both.channels, both.kind, Array.from(both.data)], [3, 'label', [0, 1, 1, 0, 0, 0]]);
  const label = makeVolume({ data: Uint8Array.of(0, 2), size: [2, 1, 1], kind: 'label' });
  const oneHot = (classes: number) =>
    through(asDiscrete({ toOnehot: classes }), makeCase({ id: 'a', volumes: { pred: label } }));
  assert.equal(Array.from((await oneHot(3)).volumes.pred.data), [1, 0, 0, 0, 0, 1]);
  const error = await oneHot(2).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(error.message, /toOnehot makes 2 classes \(0 to 1\), but the volume has label 2/);
  const wide = await through(asDiscrete({ toOnehot: 2 }), subject).catch((fault) => fault);
  assert.match(wide.message, /toOnehot needs a label map of one channel, but the volume has 2/);
});

test('asDiscrete rounds halves to even numbers', async () => {
  const data = Float32Array.of(0.5, 1.5, 2.4, -0.6);
  const pred = makeVolume({ data, size: [4, 1, 1], kind: 'probability' });
  const rounded = await through(
    asDiscrete({ rounding: 'torchrounding' }),
    makeCase({ id: 'a', volumes: { pred } }),
  );
  assert.equal(Array.from(rounded.volumes.pred.data), [0, 2, 2, -1]);
});

test('mergeClasses makes a channel of each group, of labels or of one-hot channels', async () => {
  const label = makeVolume({ data: Uint8Array.of(0, 1, 2, 4), size: [4, 1, 1], kind: 'label' });
  const subject = makeCase({ id: 'a', volumes: { label } });
  const groups = { whole: [1, 2, 4], core: [1, 4], edge: [2] };
  const merged = (await through(mergeClasses({ groups }), subject)).volumes.label;
  assert.equal(Array.from(merged.data), [0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0]);
  assert.equal(merged.labelNames, { 1: 'whole', 2: 'core', 3: 'edge' });
  const brats = (await through(convertToMultiChannelBrats(), subject)).volumes.label;
  assert.equal(Array.from(brats.data), [0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1]);
  const again = (
    await through(mergeClasses({ groups: [[1, 2], 0] }), makeCase({ id: 'a', volumes: { label: brats } }))
  ).volumes.label;
  assert.equal(Array.from(again.data), [0, 1, 1, 1, 0, 1, 0, 1]);
  const error = await through(
    mergeClasses({ groups: [3] }),
    makeCase({ id: 'a', volumes: { label: brats } }),
  ).catch((fault) => fault);
  assert.match(error.message, /the volume has 3 channels \(0 to 2\), so there is no label 3/);
});

test.run();
