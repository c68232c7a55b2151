import { lastValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { OptionError } from '#src/errors.js';
import { keepLargestComponent } from '#src/operators/keepLargestComponent.js';
import { mapLabels } from '#src/operators/mapLabels.js';
import { makeVolume } from '#src/volume/volume.js';

test('post-processing works on pred by default and accepts a single label as a list', async () => {
  const data = Uint8Array.of(1, 0, 1, 1, 2, 0, 2, 2);
  const subject = makeCase({
    id: 'a',
    volumes: { pred: makeVolume({ data, size: [8, 1, 1], kind: 'label' }) },
  });
  const result = await lastValueFrom(of(subject).pipe(keepLargestComponent({ appliedLabels: 1 })));
  assert.equal([...result.volumes.pred.data], [0, 0, 1, 1, 2, 0, 2, 2]);
  assert.equal(Object.keys(result.timings), ['keepLargestComponent']);
});

test('post-processing rejects options out of range when it is built', () => {
  assert.throws(
    () => keepLargestComponent({ connectivity: 4 as never }),
    (error: Error) =>
      error instanceof OptionError && /connectivity must be 1, or 2, or 3, but it is 4/.test(error.message),
  );
  assert.throws(
    () => mapLabels({ map: { spleen: 1 } as never }),
    (error: Error) => error instanceof OptionError && /map.spleen/.test(error.message),
  );
});

test.run();
