import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LossScale } from '#src/train/lossScale.js';

test('a step with gradients that are not finite halves the scale, 2000 good ones in a row double it', () => {
  const scale = new LossScale();
  assert.is(scale.value, 65536);
  scale.learn(false);
  assert.equal([scale.value, scale.good], [32768, 0]);
  for (let i = 0; i < 1999; i++) scale.learn(true);
  assert.equal([scale.value, scale.good], [32768, 1999]);
  scale.learn(false);
  assert.equal([scale.value, scale.good], [16384, 0]);
  for (let i = 0; i < 2000; i++) scale.learn(true);
  assert.equal([scale.value, scale.good], [32768, 0]);
});

test.run();
