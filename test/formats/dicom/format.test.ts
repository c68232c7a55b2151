import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isImageFile, readGrid, readVolume, stripImageExtension } from '#src/formats/index.js';
import { temporaryFolder } from '../../e2e/harness.js';
import { buildDicom, columns, pixelsOf, rows, sliceSet } from './buildDicom.js';

function put(name: string, content: Buffer | string): string {
  const file = join(temporaryFolder(), name);
  writeFileSync(file, content);
  return file;
}

const refusal = (file: string) =>
  readVolume(file, { kind: 'image' }).then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

test('a file of several frames is an image file, whatever its name', async () => {
  const set = sliceSet(0, {
    '00080016 UI': '1.2.840.10008.5.1.4.1.1.2.1',
    '00280008 IS': 2,
    '00200032 DS': undefined,
    '52009230 SQ': [0, 1].map((z) => ({ '00209113 SQ': [{ '00200032 DS': [10, 20, 30 + 2.5 * z] }] })),
    '7fe00010 OW': Buffer.concat([pixelsOf(0), pixelsOf(1)]),
  });
  for (const name of ['a.dcm', 'a', 'a.nii']) {
    const file = put(name, buildDicom(set));
    const { size } = await readGrid(file);
    assert.equal(size, [columns, rows, 2]);
    assert.equal((await readVolume(file, { kind: 'image' })).size, size);
  }
  assert.ok(isImageFile('x/A.DCM'));
  assert.is(stripImageExtension('x/A.dcm'), 'A');
});

test('a single slice, and a file that is not an image, are refused with what to do', async () => {
  const slice = await refusal(put('a.dcm', buildDicom(sliceSet(0))));
  assert.match(slice, /a\.dcm is one slice of a DICOM series, .* Read its folder with the source dicom/);
  assert.match(await refusal(put('IM0001', buildDicom(sliceSet(0)))), 'is one slice of a DICOM series');
  const seg = sliceSet(0, { '00080016 UI': '1.2.840.10008.5.1.4.1.1.66.4' });
  assert.match(
    await refusal(put('a.dcm', buildDicom(seg))),
    'is a segmentation (SEG), but an image was expected',
  );
  assert.match(await refusal(put('a.dcm', 'a text')), 'is not a DICOM file, in spite of its name');
  const cut = buildDicom(sliceSet(0));
  assert.match(await refusal(put('a.dcm', cut.subarray(0, cut.length - 2))), 'is cut off');
});

test.run();
