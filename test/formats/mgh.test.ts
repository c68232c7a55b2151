import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readGrid, readVolume, stripImageExtension } from '#src/formats/index.js';
import { voxelTypeOf } from '#src/volume/volume.js';
import { fails, temporaryFolder } from './buildNifti.js';
import { close, expectedImages, fixturePath } from './expectedImages.js';

const put = temporaryFolder();
const image = { kind: 'image' } as const;

/** The voxels of `bytes.mgh` end here; nibabel writes 20 bytes of scan parameters after them. */
const voxelsEnd = 284 + 60;
const plain = readFileSync(fixturePath('bytes.mgh'));

const fixtures = Object.keys(expectedImages).filter((name) => /\.mg[hz]$/.test(name));

test('MGH and MGZ files are read as nibabel reads them', async () => {
  assert.is(fixtures.length, 4);
  for (const name of fixtures) {
    const { size, channels, type, values, affine } = expectedImages[name];
    const volume = await readVolume(fixturePath(name), image);
    assert.equal([volume.size, volume.channels, voxelTypeOf(volume.data)], [size, channels, type], name);
    assert.equal([...volume.data], values, name);
    // nibabel rounds to float32 in between.
    close(volume.affine, affine!, 1e-5);
    const grid = await readGrid(fixturePath(name));
    assert.equal([grid.size, grid.affine, grid.channels], [volume.size, volume.affine, channels]);
  }
});

test('an MGH file without positions is read with the default of FreeSurfer, and a note says so', async () => {
  const unplaced = Buffer.from(plain).fill(0, 28, 90);
  const { notes, affine } = await readVolume(put('unplaced.mgh', unplaced), image);
  assert.match(notes!.join(), /unplaced\.mgh states no positions; coronal slices/);
  // Left, inferior, anterior; the origin is at voxel (2.5, 2, 1.5).
  assert.equal(affine, [-1, 0, 0, 2.5, 0, 0, 1, -1.5, 0, -1, 0, 2, 0, 0, 0, 1]);
  assert.equal((await readVolume(fixturePath('bytes.mgh'), image)).notes, []);
});

test('an MGZ label map is read as labels', async () => {
  const positive = readFileSync(fixturePath('bytes.mgh'));
  const volume = await readVolume(put('seg.mgz', gzipSync(positive)), { kind: 'label' });
  assert.equal([volume.kind, ...volume.data.slice(0, 3)], ['label', 0, 1, 2]);
  assert.is(stripImageExtension('mri/aseg.mgz'), 'aseg');
});

function tag(id: number, content: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeInt32BE(id);
  head.writeBigInt64BE(BigInt(content.length), 4);
  return Buffer.concat([head, content]);
}

const int = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    bytes.writeInt32BE(value, 4 * i);
  });
  return bytes;
};
const text = (words: string) => Buffer.concat([int(words.length + 1), Buffer.from(`${words}\0`)]);
/** As in FreeSurfer's aseg.mgz: version -2, the largest label plus 1, a name, the number of entries. */
const colourTable = Buffer.concat([
  int(1, -2, 18),
  text('FreeSurferColorLUT.txt'),
  int(2, 0),
  text('Unknown'),
  int(0, 0, 0, 0, 17),
  text('Left-Hippocampus'),
  int(220, 216, 20, 0),
]);

test('what FreeSurfer writes after the voxels is accepted', async () => {
  const history = tag(3, Buffer.from('mri_convert a.mgz b.mgz ProgramVersion: 7.4.1\0'));
  const parameters = plain.subarray(voxelsEnd);
  assert.is(parameters.length, 20);
  for (const footer of [
    Buffer.alloc(0),
    parameters.subarray(0, 16),
    parameters,
    Buffer.concat([parameters, history]),
    Buffer.concat([parameters, colourTable, history, tag(31, Buffer.from('/a/talairach.xfm\0'))]),
    Buffer.concat([parameters, history, Buffer.alloc(100)]),
  ]) {
    const bytes = Buffer.concat([plain.subarray(0, voxelsEnd), footer]);
    for (const [name, content] of [
      ['a.mgh', bytes],
      ['a.mgz', gzipSync(bytes)],
    ] as const) {
      const { data } = await readVolume(put(name, content), image);
      assert.equal([...data], expectedImages['bytes.mgh'].values);
    }
  }
});

test('bytes after the voxels that are no footer are refused: the size may be damaged', async () => {
  const smaller = Buffer.from(plain);
  smaller.writeInt32BE(2, 4);
  await fails(readVolume(put('smaller.mgh', smaller), image), 'smaller.mgh holds more than the 308 bytes');
  const extra = Buffer.concat([plain, Buffer.alloc(64, 7)]);
  await fails(
    readVolume(put('extra.mgz', gzipSync(extra)), image),
    'extra.mgz holds more than the 344 bytes',
  );
  const cutTag = Buffer.concat([plain, tag(3, Buffer.from('mri_convert')).subarray(0, -1)]);
  await fails(readVolume(put('cut-tag.mgh', cutTag), image), 'holds more than the 344 bytes');
});

test('every cut of an MGH file before the end of its voxels is refused', async () => {
  for (let length = 0; length < voxelsEnd; length++) {
    await fails(readVolume(put('cut.mgh', plain.subarray(0, length)), image), 'cut.mgh');
  }
  const packed = readFileSync(fixturePath('oblique.mgz'));
  for (let length = 0; length < packed.length; length++) {
    await fails(readVolume(put('cut.mgz', packed.subarray(0, length)), image), 'cut.mgz');
  }
});

test('damaged MGH headers are refused with what was found', async () => {
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(plain);
    change(bytes);
    return readVolume(put('a.mgh', bytes), image);
  };
  await fails(
    changed((bytes) => bytes.writeInt32BE(257, 0)),
    'begins with the number 257',
  );
  await fails(
    changed((bytes) => bytes.writeInt32BE(0, 8)),
    'damaged header: it says 5 x 0 x 3 voxels',
  );
  await fails(
    changed((bytes) => bytes.writeInt32BE(2 ** 31 - 1, 12)),
    'a.mgh',
  );
  await fails(
    changed((bytes) => bytes.writeInt32BE(7, 20)),
    'voxels of MGH type 7',
  );
  await fails(
    changed((bytes) => bytes.writeFloatBE(0, 30)),
    'an affine that is singular',
  );
  await fails(
    changed((bytes) => bytes.writeFloatBE(Number.NaN, 78)),
    'an affine that is not finite',
  );
  await fails(
    readVolume(put('b.mgh', gunzipSync(gzipSync('text'))), image),
    'b.mgh is cut off: it holds 4 bytes',
  );
});

test.run();
