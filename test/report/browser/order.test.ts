import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inOrder, type Order, orderAfterClick, worstFirst } from '#src/report/browser/page/order.js';
import { columns, pageCase } from './cases.js';

const cases = [
  pageCase('case-10', [0.5, 12, 0.9, 3], 2),
  pageCase('case-2', [null, 'inf', 0.7, 8], 3),
  pageCase('case-1', [0.9, 4, 0.8, 5], 1),
];

const ids = (order: Order | undefined) => inOrder(cases, order).map(({ id }) => id);

test('cases are sorted by numbers, seconds or names, and come in dataset order without an order', () => {
  assert.equal(ids(undefined), ['case-10', 'case-2', 'case-1']);
  assert.equal(ids({ by: 1, down: true }), ['case-2', 'case-10', 'case-1']);
  assert.equal(ids({ by: 'seconds', down: false }), ['case-1', 'case-10', 'case-2']);
  assert.equal(ids({ by: 'case', down: false }), ['case-1', 'case-2', 'case-10']);
});

test('undefined values come last, up and down', () => {
  assert.equal(ids({ by: 0, down: false }), ['case-10', 'case-1', 'case-2']);
  assert.equal(ids({ by: 0, down: true }), ['case-1', 'case-10', 'case-2']);
});

test('the first click starts with the worse end, the second reverses, the third ends', () => {
  const [dice, hd95] = [0, 1];
  const first = orderAfterClick(undefined, dice, columns);
  assert.equal(first, { by: dice, down: false });
  const second = orderAfterClick(first, dice, columns);
  assert.equal(second, { by: dice, down: true });
  assert.is(orderAfterClick(second, dice, columns), undefined);
  assert.equal(orderAfterClick(second, hd95, columns), { by: hd95, down: true });
});

test('worst first sorts by the first column that has a better end', () => {
  assert.equal(worstFirst(columns, columns.slice(1)), { by: 1, down: true, worst: true });
  assert.is(worstFirst(columns, []), undefined);
});

test.run();
