import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  afterEpoch,
  afterStep,
  afterValidation,
  atStart,
  epochIsOver,
  epochsDone,
  rowOf,
} from '#src/train/progress.js';

const done = { loss: 2, gradNorm: 4, seconds: 0.5, patches: 3 };

test('the row of an epoch has the means over its steps and the learning rate of its last one', () => {
  const first = afterStep(atStart, { epoch: 0, taken: 2 }, done);
  const second = afterStep(first, { epoch: 1, taken: 0 }, { ...done, loss: 1, seconds: 1.5 });
  assert.equal(
    rowOf(second, 1, (epoch, step) => 10 * epoch + step),
    {
      epoch: 1,
      step: 2,
      loss: 1.5,
      learningRate: 1,
      gradNorm: 4,
      seconds: 2,
      patchesPerSecond: 3,
    },
  );
});

test('an epoch is over when the stream of cases has reached the next one, once', () => {
  const middle = afterStep(atStart, { epoch: 0, taken: 2 }, done);
  const end = afterStep(middle, { epoch: 1, taken: 0 }, done);
  assert.equal([atStart, middle, end].map(epochIsOver), [false, false, true]);
  const next = afterEpoch(end, { epoch: 1, step: 2 });
  assert.equal([epochsDone(next), epochIsOver(next), next.open.steps], [1, false, 0]);
  // Epoch 0 is a validation.
  assert.is(epochsDone(afterEpoch(atStart, { epoch: 0, step: 0 })), 0);
});

test('the best model is that of the best validation, and early stopping counts gains above minDelta only', () => {
  const run = (values: readonly number[], goal: 'max' | 'min', minDelta: number) => {
    let progress = atStart;
    const best: boolean[] = [];
    for (const [epoch, value] of values.entries()) {
      const validated = afterValidation(progress, { epoch, value }, goal, minDelta);
      best.push(validated.isBest);
      progress = validated.progress;
    }
    return { best, epoch: progress.best?.epoch, waited: progress.waited };
  };
  assert.equal(run([0.5, 0.7, 0.7, 0.6], 'max', 0), {
    best: [true, true, false, false],
    epoch: 1,
    waited: 2,
  });
  assert.equal(run([0.5, 0.7, 0.6, 0.4], 'min', 0), {
    best: [true, false, false, true],
    epoch: 3,
    waited: 0,
  });
  assert.equal(run([0.5, 0.55, 0.56], 'max', 0.1), { best: [true, true, true], epoch: 2, waited: 2 });
});

test.run();
