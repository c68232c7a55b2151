import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SeriesFiles } from '#src/case.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { temporaryFolder } from '../../e2e/harness.js';
import {
  buildDicom,
  columns,
  type DataSet,
  fragmentsOf,
  pixelsOf,
  rleFrame,
  rows,
  sliceSet,
  storedAt,
  syntaxes,
} from './buildDicom.js';

/** Files in the order given, under names that say nothing of it. */
function put(...files: readonly Buffer[]): SeriesFiles {
  const folder = temporaryFolder();
  const series = files.map((content, i) => {
    const file = join(folder, `I${(7 * i) % 100}`);
    writeFileSync(file, content);
    return file;
  });
  return { series };
}

const order = [2, 0, 3, 1];
const slices = (changes: (z: number) => DataSet = () => ({}), syntax: string = syntaxes.explicit) =>
  order.map((z) => buildDicom(sliceSet(z, changes(z)), syntax));
const read = (files: SeriesFiles) => readVolume(files, { kind: 'image' });
const refusal = (files: SeriesFiles) =>
  read(files).then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );

/** The voxels of the test series, with the slope and intercept of each slice. */
const voxels = (change: (stored: number, z: number) => number) =>
  [0, 1, 2, 3].flatMap((z) =>
    Array.from({ length: rows * columns }, (_, i) =>
      change(storedAt(i % columns, Math.floor(i / columns), z), z),
    ),
  );
const affine = [-0.5, 0, 0, -10, 0, -0.75, 0, -20, 0, 0, 2.5, 30, 0, 0, 0, 1];

test('a series is sorted by position, whatever its files are called, and lies in RAS+', async () => {
  const files = put(...slices());
  const volume = await read(files);
  assert.equal(volume.size, [columns, rows, 4]);
  assert.equal(volume.affine, affine);
  assert.instance(volume.data, Int16Array);
  assert.equal(
    [...volume.data],
    voxels((stored) => stored - 24),
  );
  const grid = await readGrid(files);
  assert.equal([grid.size, grid.affine, grid.bytesPerVoxel], [volume.size, affine, 2]);
});

test('the transfer syntaxes without compression and RLE give the same voxels', async () => {
  const big = slices((z) => ({ '7fe00010 OW': pixelsOf(z, true) }), syntaxes.bigEndian);
  const rle = order.map((z) =>
    buildDicom(sliceSet(z, { '7fe00010 OW': undefined }), syntaxes.rle, fragmentsOf(rleFrame(pixelsOf(z)))),
  );
  const without = slices().map((file) => file.subarray(132 + 12 + 8 + 20));
  for (const files of [
    slices(() => ({}), syntaxes.implicit),
    slices(() => ({}), syntaxes.deflated),
    big,
    rle,
    without,
  ]) {
    const { data, affine: place } = await read(put(...files));
    assert.equal(place, affine);
    assert.equal(
      [...data],
      voxels((stored) => stored - 24),
    );
  }
});

test('bits above the highest stored bit are ignored, and the sign is extended', async () => {
  const overlay = (z: number) => {
    const bytes = pixelsOf(z);
    for (let i = 0; i < bytes.length; i += 2)
      bytes.writeUInt16LE(((bytes.readInt16LE(i) - 1500) & 0x0fff) | 0xa000, i);
    return bytes;
  };
  const bits = { '00280101 US': 12, '00280102 US': 11, '00281052 DS': 0 };
  const { data } = await read(put(...slices((z) => ({ ...bits, '7fe00010 OW': overlay(z) }))));
  assert.equal(
    [...data],
    voxels((stored) => stored - 1500),
  );
});

test('every slice is scaled with its own slope and intercept', async () => {
  const { data } = await read(
    put(...slices((z) => ({ '00281053 DS': z < 2 ? 1 : 0.25 * z, '00281052 DS': z }))),
  );
  assert.instance(data, Float32Array);
  assert.equal(
    [...data],
    voxels((stored, z) => stored * (z < 2 ? 1 : 0.25 * z) + z),
  );
});

test('voxels become 32-bit integers if the intercept takes them out of 16 bits', async () => {
  const { data } = await read(put(...slices(() => ({ '00281052 DS': -33000 }))));
  assert.instance(data, Int32Array);
  assert.equal(
    [...data],
    voxels((stored) => stored - 33000),
  );
});

test('a tilted gantry shears the affine and moves nothing', async () => {
  const tilted = put(...slices((z) => ({ '00200032 DS': [10, 20 + 0.7 * z, 30 + 2.5 * z] })));
  const place = (await read(tilted)).affine.map((value) => Number(value.toFixed(9)));
  assert.equal(place, [-0.5, 0, 0, -10, 0, -0.75, -0.7, -20, 0, 0, 2.5, 30, 0, 0, 0, 1]);
});

test('the frames of an enhanced object are placed one by one', async () => {
  const positions = order.map((z) => [
    { '00209113 SQ': [{ '00200032 DS': [10, 20, 30 + 2.5 * z] }] },
    { '00289145 SQ': [{ '00281052 DS': z, '00281053 DS': 2 }] },
  ]);
  const enhanced = sliceSet(0, {
    '00080016 UI': '1.2.840.10008.5.1.4.1.1.2.1',
    '00280008 IS': 4,
    '00200032 DS': undefined,
    '00200037 DS': undefined,
    '00280030 DS': undefined,
    '52009229 SQ': [
      {
        '00209116 SQ': [{ '00200037 DS': [1, 0, 0, 0, 1, 0] }],
        '00289110 SQ': [{ '00280030 DS': [0.75, 0.5], '00180050 DS': 2.5 }],
      },
    ],
    '52009230 SQ': positions.map(([position, scaling]) => ({ ...position, ...scaling })),
    '7fe00010 OW': Buffer.concat(order.map((z) => pixelsOf(z))),
  });
  const volume = await read(put(buildDicom(enhanced)));
  assert.equal(volume.affine, affine);
  assert.equal(
    [...volume.data],
    voxels((stored, z) => 2 * stored + z),
  );
});

test('one slice is as thick as its header says, and refused where it does not', async () => {
  const { size, affine: place } = await read(put(buildDicom(sliceSet(0))));
  assert.equal([size, place[10]], [[columns, rows, 1], 2.5]);
  assert.match(
    await refusal(put(buildDicom(sliceSet(0, { '00180050 DS': undefined })))),
    'without a SliceThickness',
  );
});

test('files that are cut off, or hold more than their header says, are refused by name', async () => {
  const whole = slices();
  const cut = (bytes: number, at = 1) =>
    put(...whole.map((file, i) => (i === at ? file.subarray(0, file.length - bytes) : file)));
  assert.match(
    await refusal(cut(1)),
    /I7 is cut off: 3 x 4 pixels in 1 frame\(s\) take 24 B, but it holds 23 B/,
  );
  assert.match(await refusal(cut(26, 0)), /I0 has a damaged header/);
  const longer = put(...slices((z) => ({ '00280010 US': z === 1 ? 2 : 3 })));
  assert.match(await refusal(longer), /I21 holds 8 bytes more than 2 x 4 pixels in 1 frame\(s\) take/);
  const rle = fragmentsOf(rleFrame(pixelsOf(0)));
  const set = sliceSet(0, { '7fe00010 OW': undefined });
  assert.match(
    await refusal(put(buildDicom(set, syntaxes.rle, rle.subarray(0, -8)))),
    'its compressed pixels have no end',
  );
  assert.match(
    await refusal(put(buildDicom(set, syntaxes.rle, rle.subarray(0, 90)))),
    'cut off within its compressed',
  );
  const short = fragmentsOf(rleFrame(pixelsOf(0)).subarray(0, -6));
  assert.match(
    await refusal(put(buildDicom(set, syntaxes.rle, short))),
    /segment 2 of an RLE frame ends after \d+ of 12/,
  );
});

test('what cannot be read is refused with what to do', async () => {
  const one = (changes: DataSet, syntax?: string) => refusal(put(buildDicom(sliceSet(0, changes), syntax)));
  assert.match(await one({ '00280002 US': 3, '00280004 CS': 'RGB' }), 'grey values were expected');
  assert.match(await one({ '00283000 SQ': [{}] }), 'Modality LUT Sequence');
  assert.match(await one({}, '1.2.3.4.5'), 'the transfer syntax 1.2.3.4.5, which is not known');
  assert.match(
    await one({ '00200037 DS': [1, 0, 0, 0.5, 1, 0] }),
    'two perpendicular unit vectors were expected',
  );
  assert.match(await one({ '00280030 DS': [0, 1] }), 'two positive numbers in mm were expected');
  assert.match(await one({ '00200032 DS': '1\\2\\x' }), 'has no usable ImagePositionPatient');
  assert.match(
    await one({ '00080016 UI': '1.2.840.10008.5.1.4.1.1.66.4' }),
    'is a segmentation (SEG), but an image',
  );
  assert.match(await refusal({ series: [] }), 'A series without files');
  const labels = await readVolume(put(...slices()), { kind: 'label' }).catch((error: Error) => error.message);
  assert.match(String(labels), 'holds images, but label maps were expected');
});

test('missing slices are filled and irregular ones made regular only where the options say so', async () => {
  const gap = order.filter((z) => z !== 1).map((z) => buildDicom(sliceSet(z)));
  assert.match(
    await refusal(put(...gap)),
    /lacks 1 slice\(s\) between .*I7 \(.*\) and .*I0 .*missing: resample/,
  );
  const filled = await read({ ...put(...gap), missing: 'resample' });
  assert.equal(filled.affine, affine);
  assert.equal(
    [...filled.data],
    voxels((stored) => stored - 24),
  );
  const moved = slices((z) => (z === 3 ? { '00200032 DS': [10, 20, 38.5] } : {}));
  assert.match(await refusal(put(...moved)), /irregular distances, 2.5 to 3.5 mm.*irregular: resample/);
  const regular = await read({ ...put(...moved), irregular: 'resample' });
  // The last plane at 37.5 mm lies 2.5 of 3.5 mm from slice 2 to slice 3.
  assert.equal(regular.size[2], 4);
  assert.ok(Math.abs(regular.data[36] - (storedAt(0, 0, 2) + 1000 * (2.5 / 3.5) - 24)) < 1e-3);
});

test.run();
