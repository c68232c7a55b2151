import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { sharedPath } from '../needs.js';

/**
 * Asserts that the label map, on the image's own grid, equals MONAI 1.3.2's. 1 voxel in 100,000 may differ:
 * ties of the argmax may fall either way.
 */
export async function assertGolden(output: string, id: string, split: string): Promise<void> {
  const pred = await readVolume(join(output, `${id}_seg.nii.gz`), { kind: 'label' });
  const expected = await readVolume(sharedPath(`golden/e2e/${id}_expected.nii.gz`), { kind: 'label' });
  const image = await readVolume(sharedPath(`data/mini/${split}/${id}.nii.gz`), { kind: 'image' });
  assert.equal(pred.size, expected.size);
  pred.affine.forEach((value, i) => {
    assert.ok(Math.abs(value - image.affine[i]) < 1e-6, `affine[${i}] of ${id}`);
  });
  assert.equal(pred.origin?.nifti?.sformCode, image.origin?.nifti?.sformCode);
  assert.equal(pred.origin?.nifti?.qformCode, image.origin?.nifti?.qformCode);
  let different = 0;
  for (let i = 0; i < pred.data.length; i++) if (pred.data[i] !== expected.data[i]) different++;
  assert.ok(different <= pred.data.length / 100_000, `${different} voxels of ${id} differ`);
}
