import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LaneRecorder } from '#src/report/lanes.js';
import { Lane } from '#src/runtime/lane.js';

test('lanes are recorded as shares of their places, and a long run takes no more room than a short one', async () => {
  const lanes = { io: new Lane(2), cpu: new Lane(1), device: new Lane(1) };
  const recorder = new LaneRecorder(lanes);
  let release = () => {};
  const held = lanes.io.run(() => new Promise<void>((resolve) => (release = resolve)));
  for (let i = 0; i < 8; i++) recorder.look();
  release();
  await held;
  for (let i = 0; i < 4; i++) recorder.look();
  const short = recorder.stop();
  assert.equal(short.seconds, 1);
  assert.equal(short.busy, { io: [0.5, 0.5, 0], cpu: [0, 0, 0], device: [0, 0, 0] });

  const long = new LaneRecorder(lanes);
  for (let i = 0; i < 100_000; i++) long.look();
  const { seconds, busy } = long.stop();
  assert.ok(busy.io.length <= 480);
  assert.ok(Math.abs(seconds * busy.io.length - 25_000) <= seconds);
});

test.run();
