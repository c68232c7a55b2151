import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  constantSchedule,
  cosineSchedule,
  polySchedule,
  stepSchedule,
} from '#src/onnx/training/schedules.js';

const close = (found: number, expected: number) =>
  assert.ok(Math.abs(found - expected) <= 1e-12, `${found} is not ${expected}`);

/** Ten epochs of four steps. */
const training = (rate: number) => ({ rate, epochs: 10, steps: 40 });

test('a constant schedule keeps the rate', () => {
  close(constantSchedule()(training(0.1))(9, 39), 0.1);
});

test('a step schedule drops by gamma every `size` epochs', () => {
  const rateAt = stepSchedule({ size: 5000 })(training(0.1));
  close(rateAt(0, 0), 0.1);
  close(rateAt(4999, 0), 0.1);
  close(rateAt(5000, 0), 0.01);
  close(stepSchedule({ size: 2, gamma: 0.5 })(training(1))(5, 0), 0.25);
  close(stepSchedule({ size: 4, gamma: 0.5, per: 'step' })(training(0.1))(0, 9), 0.025);
});

test('a poly schedule ends at zero and stays there', () => {
  const rateAt = polySchedule({ total: 100 })(training(0.01));
  close(rateAt(0, 0), 0.01);
  close(rateAt(50, 0), 0.01 * 0.5 ** 0.9);
  close(rateAt(100, 0), 0);
  close(rateAt(101, 0), 0);
});

test('a cosine schedule is half way down in the middle', () => {
  const rateAt = cosineSchedule({ total: 10, low: 0.2 })(training(1));
  close(rateAt(0, 0), 1);
  close(rateAt(5, 0), 0.6);
  close(rateAt(10, 0), 0.2);
  close(rateAt(20, 0), 0.2);
});

test('without a total, a schedule takes the whole training in epochs or steps', () => {
  close(polySchedule({ power: 1 })(training(0.1))(5, 0), 0.05);
  close(polySchedule({ power: 1, per: 'step' })(training(0.1))(0, 10), 0.075);
  close(cosineSchedule()(training(0.1))(5, 0), 0.05);
});

test('a warm-up grows to the start of the schedule, which begins after it', () => {
  const rateAt = cosineSchedule({ total: 10, warmUp: 4, warmUpFrom: 0.2 })(training(1));
  close(rateAt(0, 0), 0.2);
  close(rateAt(2, 0), 0.6);
  close(rateAt(4, 0), 1);
  close(rateAt(9, 0), 0.5);
  close(rateAt(14, 0), 0);
  // Of ten epochs, eight are left.
  const line = polySchedule({ power: 1, warmUp: 2, warmUpFrom: 0.5 })(training(0.1));
  close(line(1, 0), 0.075);
  close(line(6, 0), 0.05);
});

test.run();
