import { from, lastValueFrom, NEVER, of, Subject, throwError, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { batch } from '#src/operators/batch.js';
import { shuffle } from '#src/operators/shuffle.js';
import { makeVolume } from '#src/volume/volume.js';
import { refused } from '../shared.js';

const numbers = Array.from({ length: 30 }, (_, i) => i);
const shuffled = (options: Parameters<typeof shuffle>[0]) =>
  lastValueFrom(from(numbers).pipe(shuffle<number>(options), toArray()));

test('shuffle emits every value once, in another order for each seed and stream', async () => {
  const first = await shuffled({ bufferSize: 30, seed: 1 });
  assert.equal(
    [...first].sort((a, b) => a - b),
    numbers,
  );
  assert.not.equal(first, numbers);
  assert.equal(await shuffled({ bufferSize: 30, seed: 1 }), first);
  assert.not.equal(await shuffled({ bufferSize: 30, seed: 1, stream: 1 }), first);
  assert.equal(await shuffled({ bufferSize: 1, seed: 1 }).then((list) => list.length), 30);
  const firsts = await Promise.all(
    Array.from({ length: 600 }, async (_, seed) => (await shuffled({ bufferSize: 100, seed }))[0]),
  );
  const counts = numbers.map((value) => firsts.filter((one) => one === value).length);
  // 20 each, with a standard deviation of 4.4.
  assert.ok(
    counts.every((count) => count > 1 && count < 42),
    `${counts}`,
  );
});

test('shuffle buffers no more values than bufferSize, and passes on completion and errors', async () => {
  const source = new Subject<number>();
  const seen: number[] = [];
  const subscription = source.pipe(shuffle({ bufferSize: 2 })).subscribe((value) => seen.push(value));
  for (const value of [1, 2]) source.next(value);
  assert.is(seen.length, 0);
  source.next(3);
  assert.is(seen.length, 1);
  subscription.unsubscribe();
  assert.not.ok(source.observed);
  NEVER.pipe(shuffle({ bufferSize: 2 }))
    .subscribe()
    .unsubscribe();
  assert.equal(await lastValueFrom(of<number>().pipe(shuffle({ bufferSize: 2 }), toArray())), []);
  const error = await lastValueFrom(
    throwError(() => new Error('bad')).pipe(shuffle({ bufferSize: 2 })),
  ).catch((e) => e);
  assert.is(error.message, 'bad');
  refused(() => shuffle({ bufferSize: 0 }), /bufferSize must be a positive integer, but it is 0/);
});

/** A case of 2 x 1 x 2 voxels: x is fastest, so 1 and 2 differ in x, 1 and 3 in z. */
const caseOf = (id: string, shift: number, x = 2) =>
  makeCase({
    id,
    volumes: {
      image: makeVolume({ data: Int16Array.of(1, 2, 3, 4).map((n) => n + shift), size: [x, 1, 4 / x] }),
      label: makeVolume({ data: Uint8Array.of(0, 1, 0, 1), size: [x, 1, 4 / x], kind: 'label' }),
    },
  });

test('batch stacks volumes with x or z as the slowest axis, and the last batch holds the rest', async () => {
  const cases = [caseOf('a', 0), caseOf('b', 10), caseOf('c', 20)];
  const batches = await lastValueFrom(from(cases).pipe(batch({ size: 2 }), toArray()));
  assert.equal(
    batches.map(({ ids }) => ids),
    [['a', 'b'], ['c']],
  );
  const { image, label } = batches[0].tensors;
  assert.equal(image.dims, [2, 1, 2, 1, 2]);
  assert.equal(Array.from(image.data), [1, 3, 2, 4, 11, 13, 12, 14]);
  assert.equal(Array.from(label.data), [0, 0, 1, 1, 0, 0, 1, 1]);
  const [zyx] = await lastValueFrom(
    from(cases).pipe(batch({ size: 3, keys: 'image', axes: 'zyx' }), toArray()),
  );
  assert.equal(Array.from(zyx.tensors.image.data).slice(0, 4), [1, 2, 3, 4]);
  assert.equal(Object.keys(zyx.tensors), ['image']);
});

test('batch rejects cases of different sizes', async () => {
  const odd = lastValueFrom(from([caseOf('a', 0), caseOf('b', 0, 4)]).pipe(batch({ size: 2 })));
  const error = await odd.catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(
    error.message,
    /image of b has 1 channel\(s\) of 4 x 1 x 1 voxels and image of a has 1 channel\(s\) of 2 x 1 x 2/,
  );
  refused(() => batch({ size: 1.5 }), /size must be a positive integer, but it is 1.5/);
});

test.run();
