import { concat, lastValueFrom, of, Subject, throwError, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseKeys, makeCase, volumeOf } from '#src/case.js';
import type { StepContext } from '#src/operators/define.js';
import { mapCase, mapVolumes } from '#src/operators/map.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { through } from '../shared.js';

const runtime = createRuntime({ workers: 2 });
const context: StepContext = { id: 'step', runtime };
const volume = makeVolume({ data: Uint8Array.of(1), size: [1, 1, 1] });
const subject = makeCase({ id: 'a', volumes: { image: volume, label: volume } });

test('mapCase processes one case after another, in order', async () => {
  let running = 0;
  const step = mapCase(context, 'cpu', async (given) => {
    assert.is(++running, 1, 'no two cases at once');
    await new Promise((resolve) => setTimeout(resolve, given.id === 'a' ? 5 : 0));
    running--;
    return given;
  });
  const results = await lastValueFrom(of(subject, { ...subject, id: 'b' }).pipe(step, toArray()));
  assert.equal(
    results.map(({ id }) => id),
    ['a', 'b'],
  );
});

test('mapCase sums the seconds if a case passes a step twice, and excludes time spent waiting', async () => {
  const earlier = { ...subject, timings: { step: 100, load: 1 } };
  const step = mapCase(context, 'device', async (given) => given);
  // The device lane has one place, so the case waits while it is taken.
  let free = () => {};
  const taken = runtime.on('device', () => new Promise<void>((resolve) => (free = resolve)));
  const passing = through(step, earlier);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const freedAt = performance.now();
  free();
  const { timings } = await passing;
  const elapsed = (performance.now() - freedAt) / 1000;
  await taken;
  // Whatever the machine does: the step cannot have begun before its place was free.
  assert.ok(
    timings.step >= 100 && timings.step - 100 <= elapsed + 1e-9,
    `${timings.step - 100} of ${elapsed}`,
  );
  assert.is(timings.load, 1);
});

test('errors from the work and from the source propagate down the stream', async () => {
  const failing = mapCase(context, 'cpu', async () => {
    throw new Error('broken');
  });
  assert.is((await through(failing, subject).catch((error) => error)).message, 'broken');
  const passing = mapCase(context, 'cpu', async (given) => given);
  const source = concat(
    of(subject),
    throwError(() => new Error('source')),
  );
  const seen: string[] = [];
  const error = await new Promise<Error>((resolve) =>
    source.pipe(passing).subscribe({ next: ({ id }) => seen.push(id), error: resolve }),
  );
  // RxJS propagates an error at once, without waiting for the case in progress.
  assert.equal([seen, error.message], [[], 'source']);
});

test('after an unsubscribe no case is emitted, and the lane is free again', async () => {
  const source = new Subject<typeof subject>();
  let done = () => {};
  const work = new Promise<void>((resolve) => (done = resolve));
  const seen: string[] = [];
  const subscription = source
    .pipe(mapCase(context, 'device', (given) => work.then(() => given)))
    .subscribe(({ id }) => seen.push(id));
  source.next(subject);
  subscription.unsubscribe();
  done();
  await runtime.on('device', async () => {});
  assert.equal(seen, []);
  assert.is(runtime.lanes.device.active, 0);
});

test('mapVolumes replaces the selected volumes and leaves the others', async () => {
  const other = makeVolume({ data: Uint8Array.of(2), size: [1, 1, 1] });
  const step = mapVolumes(context, 'cpu', undefined, ['label', 'pred'], async (given, key) => {
    assert.is(given, volume);
    assert.is(key, 'label');
    return other;
  });
  const { volumes } = await through(step, subject);
  assert.is(volumes.label, other);
  assert.is(volumes.image, volume);
});

test('chooseKeys uses the requested keys, else the default keys that are present', () => {
  assert.equal(chooseKeys(subject, 'pred', ['image']), ['pred']);
  assert.equal(chooseKeys(subject, ['x', 'y'], ['image']), ['x', 'y']);
  assert.equal(chooseKeys(subject, undefined, ['pred', 'image']), ['image']);
  assert.throws(
    () => chooseKeys(subject, undefined, ['pred']),
    'Case a has no volume pred to work on; it has image and label.',
  );
  assert.throws(() => volumeOf(makeCase({ id: 'b' }), 'image'), 'Case b has no volume "image"; it has none.');
});

test.run();
