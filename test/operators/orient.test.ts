import { from, lastValueFrom, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { orient } from '#src/operators/orient.js';
import { axcodesOf } from '#src/volume/orientation.js';
import { makeVolume } from '#src/volume/volume.js';
import { refused, through } from '../shared.js';

const affine = [-1, 0, 0, 3, 0, -1, 0, 5, 0, 0, 2, 0, 0, 0, 0, 1];
const volume = makeVolume({ data: Int16Array.of(1, 2, 3, 4), size: [2, 2, 1], affine });

test('orient keeps every voxel at its position in mm', async () => {
  const subject = makeCase({ id: 'a', volumes: { image: volume } });
  const { volumes } = await through(orient({ axcodes: 'RAS' }), subject);
  assert.equal(Array.from(volumes.image.data), [4, 3, 2, 1]);
  // Voxel [0, 0] was at (3, 5) mm and is now [1, 1].
  assert.equal(volumes.image.affine, [1, 0, 0, 2, 0, 1, 0, 4, 0, 0, 2, 0, 0, 0, 0, 1]);
  assert.is(subject.volumes.image, volume, 'the case that went in is left alone');
});

test('orient works on image and label by default, and on the keys asked for', async () => {
  const label = { ...volume, kind: 'label' as const };
  const subject = makeCase({ id: 'a', volumes: { image: volume, label, other: volume } });
  const codes = async (keys?: string | string[]) => {
    const { volumes } = await through(orient({ axcodes: 'RAS', keys }), subject);
    return Object.entries(volumes).map(([key, { affine }]) => `${key} ${axcodesOf(affine)}`);
  };
  assert.equal(await codes(), ['image RAS', 'label RAS', 'other LPS']);
  assert.equal(await codes('other'), ['image LPS', 'label LPS', 'other RAS']);
  assert.equal(await codes(['label', 'other']), ['image LPS', 'label RAS', 'other RAS']);
});

test('orient rejects axis codes that do not name each axis once, and unknown options', () => {
  refused(
    () => orient({ axcodes: 'RAL' }),
    'orient: axcodes must hold exactly one letter of each pair L/R, P/A and I/S, such as RAS or LPS, but it is "RAL".',
  );
  refused(() => orient({} as never), /^orient: axcodes is required \(The side each voxel axis points to/);
  refused(
    () => orient({ axcode: 'RAS' } as never),
    /axcode is not an option of orient; did you mean "axcodes"\?/,
  );
});

test('cases pass in order, each with its own timing, and an empty stream stays empty', async () => {
  const subjects = ['a', 'b', 'c'].map((id) => makeCase({ id, volumes: { image: volume } }));
  const results = await lastValueFrom(from(subjects).pipe(orient({ axcodes: 'RAS' }), toArray()));
  assert.equal(
    results.map(({ id }) => id),
    ['a', 'b', 'c'],
  );
  assert.ok(results.every(({ timings }) => timings.orient > 0));
  assert.equal(await lastValueFrom(from([]).pipe(orient({ axcodes: 'RAS' }), toArray())), []);
});

test('a case without the selected volume fails with a sentence', async () => {
  const subject = makeCase({ id: 'ct_1', volumes: { scan: volume } });
  const fault = (keys?: string) => through(orient({ axcodes: 'RAS', keys }), subject).catch((e) => e.message);
  assert.is(
    await fault(),
    'Case ct_1 has no volume image or label to work on; it has scan. Name the volume with "keys".',
  );
  assert.is(await fault('image'), 'Case ct_1 has no volume "image"; it has scan.');
});

test.run();
