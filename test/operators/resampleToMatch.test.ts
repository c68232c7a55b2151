import { lastValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { resampleToMatch } from '#src/operators/resampleToMatch.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';

const along = (x: number, step: number) => [step, 0, 0, x, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

async function matched(pred: Volume, label: Volume, options = {}): Promise<Volume> {
  const subject = makeCase({ id: 'a', volumes: { pred, label } });
  return (await lastValueFrom(of(subject).pipe(resampleToMatch(options)))).volumes.pred;
}

test('resampleToMatch resamples labels with the nearest voxel', async () => {
  const data = Uint8Array.of(1, 2, 3);
  const pred = makeVolume({ data, size: [3, 1, 1], affine: along(0, 2), kind: 'label' });
  const label = makeVolume({
    data: new Uint8Array(7),
    size: [7, 1, 1],
    affine: along(5.2, -1),
    kind: 'label',
  });
  const result = await matched(pred, label);
  assert.equal([...result.data], [3, 3, 3, 2, 2, 1, 1]);
  assert.equal([result.size, result.affine], [label.size, label.affine]);
  const zeros = await matched(pred, label, { paddingMode: 'zeros' });
  assert.is(zeros.data[0], 0);
});

test('resampleToMatch interpolates images, and leaves a volume on the same grid unchanged', async () => {
  const image = makeVolume({ data: Int16Array.of(0, 10), size: [2, 1, 1], affine: along(0, 2) });
  const label = makeVolume({ data: new Uint8Array(3), size: [3, 1, 1], affine: along(0, 1), kind: 'label' });
  assert.equal([...(await matched(image, label)).data], [0, 5, 10]);
  assert.equal((await matched(label, label)).history, []);
});

test.run();
