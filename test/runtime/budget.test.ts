import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Budget } from '#src/runtime/budget.js';

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test('what fits is admitted at once, and the rest in the order of requests when memory is returned', async () => {
  const budget = new Budget(10);
  const order: string[] = [];
  const ask = (name: string, bytes: number) =>
    budget.take(bytes).then((leave) => {
      order.push(name);
      return leave;
    });
  const first = await ask('a', 6);
  const second = await ask('b', 4);
  const rest = [ask('c', 5), ask('d', 1)];
  await settled();
  assert.equal(order, ['a', 'b']);
  second();
  await settled();
  // One byte is free for d, but c came first: a large one is not put off by small ones.
  assert.equal(order, ['a', 'b']);
  first();
  await Promise.all(rest);
  assert.equal(order, ['a', 'b', 'c', 'd']);
});

test('memory is given back once, however often that is said', async () => {
  const budget = new Budget(4);
  const leave = await budget.take(3);
  leave();
  leave();
  await budget.take(4);
  const waiting = budget.take(1).then(() => 'in');
  assert.is(await Promise.race([waiting, settled().then(() => 'waiting')]), 'waiting');
});

test('more than there will ever be is refused', async () => {
  const error = await new Budget(4).take(5).catch((fault) => fault);
  assert.instance(error, RangeError);
});

test.run();
