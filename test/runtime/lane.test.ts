import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Lane } from '#src/runtime/lane.js';

/** Work that ends on request. */
function held() {
  let end = () => {};
  const work = new Promise<void>((resolve) => (end = resolve));
  return { work: () => work, end };
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test('a lane does as much at once as it is wide, and the rest in the order it came', async () => {
  const lane = new Lane(2);
  const order: number[] = [];
  const pieces = [0, 1, 2, 3].map(() => held());
  const all = pieces.map(({ work }, i) =>
    lane.run(() => {
      order.push(i);
      return work();
    }),
  );
  await settled();
  assert.equal(order, [0, 1]);
  assert.is(lane.active, 2);
  pieces[1].end();
  await settled();
  assert.equal(order, [0, 1, 2]);
  assert.is(lane.active, 2);
  for (const { end } of pieces) end();
  await Promise.all(all);
  assert.equal(order, [0, 1, 2, 3]);
  assert.is(lane.active, 0);
});

test('a lane hands on what work returns, and is free again after work that throws', async () => {
  const lane = new Lane(1);
  assert.is(await lane.run(async () => 7), 7);
  const failing = lane.run(async () => {
    throw new Error('broken');
  });
  assert.is((await failing.catch((error) => error)).message, 'broken');
  assert.is(lane.active, 0);
  assert.is(await lane.run(async () => 8), 8);
});

test('busySeconds counts the work and not the waiting', async () => {
  const lane = new Lane(1);
  const first = held();
  const second = held();
  const start = performance.now();
  const both = [lane.run(first.work), lane.run(second.work)];
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(lane.busySeconds > 0, 'work that still runs counts');
  first.end();
  await both[0];
  second.end();
  await both[1];
  const elapsed = (performance.now() - start) / 1000;
  // With one place it cannot have worked longer than the clock ran; the second's waiting would make it
  // longer.
  assert.ok(lane.busySeconds > 0 && lane.busySeconds <= elapsed, `${lane.busySeconds} of ${elapsed}`);
});

test('work that leaves early gives its place on once, and only its time until then counts', async () => {
  const lane = new Lane(1);
  const order: string[] = [];
  const first = held();
  const early = lane.run(async (leave) => {
    leave();
    leave();
    await first.work();
    order.push('first ends');
  });
  const second = held();
  const next = lane.run(() => {
    order.push('second begins');
    return second.work();
  });
  await settled();
  assert.equal(order, ['second begins']);
  first.end();
  await early;
  assert.is(lane.active, 1);
  second.end();
  await next;
  assert.equal(order, ['second begins', 'first ends']);
  assert.is(lane.active, 0);
});

test.run();
