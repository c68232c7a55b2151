import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LaneRecorder } from '#src/report/lanes.js';

test('lanes are recorded as shares of their places, and a long run takes no more room than a short one', () => {
  const lanes = { io: { busySeconds: 3, width: 2 }, cpu: { busySeconds: 0, width: 1 } };
  const recorder = new LaneRecorder(lanes, 100);
  for (const [worked, now] of [
    [1, 101],
    [3, 103],
    [0, 104],
  ]) {
    lanes.io.busySeconds += worked;
    recorder.look(now);
  }
  lanes.io.busySeconds += 0.3;
  assert.equal(recorder.stop(104.3), { seconds: 1, busy: { io: [0.5, 0.75, 0], cpu: [0, 0, 0] } });

  const long = new LaneRecorder(lanes, 0);
  for (let i = 1; i <= 25_000; i++) {
    lanes.io.busySeconds += 1;
    long.look(i);
  }
  const { seconds, busy } = long.stop(25_000);
  assert.ok(busy.io.length <= 480);
  assert.ok(Math.abs(seconds * busy.io.length - 25_000) <= seconds);
  assert.ok(busy.io.every((share) => Math.abs(share - 0.5) < 1e-9));
});

test('a run that ends within the first second has one stretch, as long as the run', () => {
  const lanes = { io: { busySeconds: 0, width: 2 }, cpu: { busySeconds: 0, width: 1 } };
  const recorder = new LaneRecorder(lanes, 8);
  lanes.io.busySeconds = 0.25;
  assert.equal(recorder.stop(8.5), { seconds: 0.5, busy: { io: [0.25], cpu: [0] } });
});

test.run();
