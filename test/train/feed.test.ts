import { concatMap, from, map, type OperatorFunction, tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { epochOrder, type FedBatch, type FeedPosition, feed, trainingBatch } from '#src/train/feed.js';
import { makeVolume } from '#src/volume/volume.js';

const cases = ['a', 'b', 'c', 'd', 'e'].map((id) => makeCase({ id }));
/** Two patches of each case. */
const split: OperatorFunction<Case, Case> = concatMap((subject) =>
  from([0, 1].map((i) => ({ ...subject, id: `${subject.id}#${i}` }))),
);
const start: FeedPosition = { epoch: 0, taken: 0 };

/** The first batches, as `EPOCH: IDS`. */
async function take(
  count: number,
  options: {
    steps?: OperatorFunction<Case, Case>;
    from?: FeedPosition;
    prefetch?: number;
    of?: readonly Case[];
    failures?: string[];
  } = {},
): Promise<{ texts: string[]; batches: FedBatch[] }> {
  const { steps = split, prefetch = 3, failures = [] } = options;
  const stream = feed(options.of ?? cases, steps, options.from ?? start, {
    seed: 4,
    batchSize: 2,
    prefetch,
    onFailure: (id, error) => failures.push(`${id}: ${(error as Error).message}`),
    onNotes: () => {},
  });
  const batches: FedBatch[] = [];
  while (batches.length < count) batches.push((await stream.next()).value);
  return {
    batches,
    texts: batches.map(({ epoch, cases: patches }) => `${epoch}: ${patches.map(({ id }) => id)}`),
  };
}

test('each epoch takes the cases in another order and skips those that do not fill a batch', async () => {
  const { texts, batches } = await take(6);
  const order = async (epoch: number) => (await epochOrder(cases, 4, epoch)).map(({ id }) => id);
  const expected = [];
  for (const epoch of [0, 1, 2]) {
    const [a, b, c, d] = await order(epoch);
    for (const [x, y] of [
      [a, b],
      [c, d],
    ])
      expected.push(`${epoch}: ${x}#0,${x}#1,${y}#0,${y}#1`);
  }
  assert.equal(texts, expected);
  assert.not.equal(await order(0), await order(1));
  assert.equal(batches.map(({ next }) => next).slice(0, 2), [
    { epoch: 0, taken: 2 },
    { epoch: 1, taken: 0 },
  ]);
  assert.ok(
    batches[2].cases.every(({ epoch }) => epoch === 1),
    'cases know their epoch',
  );
});

test('from any position the same batches follow, however many cases are prepared ahead', async () => {
  const { texts, batches } = await take(7);
  for (const [i, { next }] of batches.slice(0, 6).entries()) {
    assert.equal((await take(6 - i, { from: next, prefetch: 1 + (i % 3) * 4 })).texts, texts.slice(i + 1));
  }
});

test('no more cases are prepared ahead than asked for', async () => {
  const begun: string[] = [];
  await take(1, { steps: tap(({ id }) => begun.push(id)), prefetch: 3 });
  // Two of the batch, and the two that were begun ahead when the second was taken.
  assert.is(begun.length, 4);
});

test('a case that fails is reported once and skipped, the same way each time', async () => {
  const failures: string[] = [];
  const steps: OperatorFunction<Case, Case> = map((subject) => {
    if (subject.id === 'c') throw new DataError('c is damaged.');
    return subject;
  });
  const { texts, batches } = await take(6, { steps, failures });
  assert.equal(failures, ['c: c is damaged.']);
  assert.not.ok(texts.join().includes('c'));
  assert.equal(
    texts.map((text) => text[0]),
    [...'001122'],
  );
  const resumed = await take(3, { steps, from: batches[2].next });
  assert.equal(resumed.texts, texts.slice(3));
});

test('with too few cases left the training ends with a sentence', async () => {
  const steps: OperatorFunction<Case, Case> = map(() => {
    throw new DataError('it is damaged.');
  });
  const error = await take(1, { steps }).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(error.message, /Only \d of 5 training cases can be used, but a batch needs 2/);
});

test('labels that the network has no class for are refused, with the case', () => {
  const patch = (id: string, value: number) =>
    makeCase({
      id,
      volumes: {
        image: makeVolume({ data: new Float32Array(2), size: [2, 1, 1] }),
        label: makeVolume({ data: Float32Array.of(0, value), size: [2, 1, 1], kind: 'label' }),
      },
    });
  assert.equal(
    Array.from(trainingBatch([patch('a', 1), patch('b', 0)], 2, 'zyx').tensors.label.data),
    [0, 1, 0, 0],
  );
  assert.throws(
    () => trainingBatch([patch('a', 1), patch('b#1', 3)], 2, 'zyx'),
    /The label of b#1 has the value 3, but the network has 2 output channel\(s\), so labels must be .* from 0 to 1/,
  );
});

test.run();
