import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cosineSchedule, polySchedule, stepSchedule, warmUp } from '#src/onnx/training/schedules.js';

const close = (found: number, expected: number) =>
  assert.ok(Math.abs(found - expected) <= 1e-12, `${found} is not ${expected}`);

test('a step schedule drops by gamma every `size` epochs', () => {
  const schedule = stepSchedule(0.1, { size: 5000 });
  close(schedule(0), 0.1);
  close(schedule(4999), 0.1);
  close(schedule(5000), 0.01);
  close(stepSchedule(1, { size: 2, gamma: 0.5 })(5), 0.25);
});

test('a poly schedule ends at zero and stays there', () => {
  const schedule = polySchedule(0.01, { total: 100 });
  close(schedule(0), 0.01);
  close(schedule(50), 0.01 * 0.5 ** 0.9);
  close(schedule(100), 0);
  close(schedule(101), 0);
});

test('a cosine schedule is half way down in the middle', () => {
  const schedule = cosineSchedule(1, { total: 10, low: 0.2 });
  close(schedule(0), 1);
  close(schedule(5), 0.6);
  close(schedule(10), 0.2);
  close(schedule(20), 0.2);
});

test('a warm-up grows to the start of the schedule, which begins after it', () => {
  const schedule = warmUp(cosineSchedule(1, { total: 10 }), { length: 4, from: 0.2 });
  close(schedule(0), 0.2);
  close(schedule(2), 0.6);
  close(schedule(4), 1);
  close(schedule(9), 0.5);
  close(schedule(14), 0);
});

test.run();
