import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { nifti } from '#src/formats/nifti.js';
import { voxelTypeOf } from '#src/volume/volume.js';
import { buildNifti, datatypes, fails, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();
const image = { kind: 'image' } as const;
const label = { kind: 'label' } as const;
const zeroToEleven = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

test('the NIfTI reader reads every type, both versions and byte orders, gzipped and plain', async () => {
  for (const version of [1, 2] as const) {
    for (const littleEndian of [true, false]) {
      for (const [code, [name]] of Object.entries(datatypes)) {
        const bytes = buildNifti({ version, littleEndian, datatype: Number(code) });
        for (const file of [put('a.nii', bytes), put('a.nii.gz', gzipSync(bytes))]) {
          const volume = await nifti.read(file, image);
          const about = `${name}, version ${version}, ${littleEndian ? 'little' : 'big'} endian`;
          assert.equal([...volume.data], zeroToEleven, about);
          assert.is(voxelTypeOf(volume.data), /64$/.test(name) && name !== 'float64' ? 'int32' : name, about);
          assert.equal(volume.size, [3, 2, 2]);
          assert.is(volume.channels, 1);
          assert.ok(volume.data.buffer instanceof SharedArrayBuffer);
          assert.is(volume.origin?.file, file);
        }
      }
    }
  }
});

test('the NIfTI reader keeps negative and large numbers of every type', async () => {
  const cases: [number, number[]][] = [
    [256, [-128, 127]],
    [4, [-32768, 32767]],
    [512, [0, 65535]],
    [8, [-(2 ** 31), 2 ** 31 - 1]],
    [768, [0, 2 ** 32 - 1]],
    [1024, [-(2 ** 31), -1]],
    [1024, [-(2 ** 31) - 1, 2 ** 53]],
    [1280, [2 ** 31, 2 ** 53]],
    [64, [-1e300, 1e-300]],
  ];
  for (const [datatype, values] of cases) {
    const volume = await nifti.read(put('a.nii', buildNifti({ datatype, values, dims: [2, 1, 1] })), image);
    assert.equal([...volume.data], values);
  }
});

test('the NIfTI reader scales by slope and intercept in double precision', async () => {
  const scaled = { slope: 2.5, inter: -1024, values: [0, 1, 2, 3000], dims: [4, 1, 1] };
  const expected = [-1024, -1021.5, -1019, 6476];
  for (const [code, [name]] of Object.entries(datatypes)) {
    if (name === 'int8' || name === 'uint8') continue;
    const volume = await nifti.read(put('a.nii', buildNifti({ ...scaled, datatype: Number(code) })), image);
    assert.is(voxelTypeOf(volume.data), name === 'float64' ? 'float64' : 'float32');
    assert.equal([...volume.data], expected);
  }
});

test('the NIfTI reader takes a slope of 0 or one that is not finite for none, as nibabel does', async () => {
  for (const slope of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
    const volume = await nifti.read(put('a.nii', buildNifti({ slope, inter: 5 })), image);
    assert.equal([...volume.data], zeroToEleven);
    assert.ok(volume.data instanceof Int16Array);
  }
  const file = put('a.nii', buildNifti({ slope: 2, inter: Number.NaN }));
  await fails(nifti.read(file, image), file, 'scl_slope 2 but scl_inter NaN');
});

test('the NIfTI reader makes the fourth dimension channels', async () => {
  const volume = await nifti.read(put('a.nii', buildNifti({ dims: [2, 2, 1, 3, 1] })), image);
  assert.equal([volume.size, volume.channels], [[2, 2, 1], 3]);
  assert.equal([...volume.data], zeroToEleven);
});

test('the NIfTI reader reads gzip members one after the other, wherever they are divided', async () => {
  const bytes = buildNifti();
  for (const at of [1, 100, 352, 360, bytes.length - 1]) {
    const members = [gzipSync(bytes.subarray(0, at)), gzipSync(bytes.subarray(at))];
    const volume = await nifti.read(put('a.nii.gz', Buffer.concat(members)), image);
    assert.equal([...volume.data], zeroToEleven);
  }
});

test('the NIfTI reader reads volumes of many chunks', async () => {
  const values = Array.from({ length: 150 * 150 * 130 }, (_, i) => (i * 7919) % 30011);
  const bytes = buildNifti({ dims: [150, 150, 130], values, littleEndian: false });
  for (const file of [put('a.nii', bytes), put('a.nii.gz', gzipSync(bytes, { level: 1 }))]) {
    const { data } = await nifti.read(file, image);
    assert.ok(values.every((value, i) => data[i] === value));
  }
});

test('the NIfTI reader skips what lies between header and voxels', async () => {
  const plain = buildNifti({ voxOffset: 1000 });
  const bytes = Buffer.concat([plain.subarray(0, 352), Buffer.alloc(648, 7), plain.subarray(352)]);
  for (const file of [put('a.nii', bytes), put('a.nii.gz', gzipSync(bytes))]) {
    assert.equal([...(await nifti.read(file, image)).data], zeroToEleven);
  }
});

test('the NIfTI reader turns labels of real, scaled and 64-bit numbers into the smallest integers', async () => {
  const read = (parts: object) => nifti.read(put('a.nii', buildNifti({ dims: [2, 1, 1], ...parts })), label);
  const cases: [object, string, number[]][] = [
    [{ datatype: 16, values: [0, 255] }, 'uint8', [0, 255]],
    [{ datatype: 64, values: [0, 256] }, 'uint16', [0, 256]],
    [{ datatype: 16, values: [-1, 127] }, 'int8', [-1, 127]],
    [{ datatype: 1024, values: [0, 65536] }, 'uint32', [0, 65536]],
    [{ datatype: 4, values: [0, 3], slope: 2, inter: 1 }, 'uint8', [1, 7]],
    [{ datatype: 4, values: [0, 3] }, 'int16', [0, 3]],
  ];
  for (const [parts, type, expected] of cases) {
    const volume = await read(parts);
    assert.is(volume.kind, 'label');
    assert.is(voxelTypeOf(volume.data), type);
    assert.equal([...volume.data], expected);
  }
  const where = { datatype: 16, dims: [2, 2, 2], values: [0, 1, 0, 1, 0, 1, 0.5, 1] };
  await fails(read(where), 'is a label map, but its voxel [0, 1, 1] is 0.5', 'must be whole numbers');
  await fails(read({ datatype: 16, values: [0, Number.NaN] }), 'voxel [1, 0, 0] is NaN');
  await fails(read({ datatype: 64, values: [0, 2 ** 40] }), 'its labels go from 0 to 1099511627776');
});

test('the NIfTI reader rounds labels that are a hair off whole numbers, with a note', async () => {
  const read = (parts: object) => nifti.read(put('a.nii', buildNifti({ dims: [4, 1, 1], ...parts })), label);
  // Float labels that nibabel stored as int16 with a slope: 0, 1.0013, 6.9995, 207.
  const stored = [-32768, -32451, -30552, 32768 - 1];
  const slope = 207 / 65535;
  const scaled = await read({ datatype: 4, values: stored, slope, inter: 32768 * slope });
  assert.equal([[...scaled.data], voxelTypeOf(scaled.data)], [[0, 1, 7, 207], 'uint8']);
  assert.match(
    scaled.notes![0],
    /holds labels that differ from whole numbers by up to 0\.00\d+; they were rounded/,
  );
  // A slope of 1/255 in float32 is not exact.
  const mask = await read({ datatype: 2, values: [0, 255, 0, 255], slope: 1 / 255 });
  assert.equal([...mask.data], [0, 1, 0, 1]);
  assert.is(mask.notes!.length, 1);
  assert.equal((await read({ datatype: 16, values: [0, 1, 2, 3] })).notes, []);
  const far = { datatype: 64, values: [0, 1.009, 2.011, 3] };
  await fails(read(far), 'its voxel [2, 0, 0] is 2.011; labels must be whole numbers, within 0.01');
});

test('a pair of NIfTI or Analyze files is read from either of its names', async () => {
  const bytes = buildNifti({
    magic: 'ni1\0',
    voxOffset: 0,
    sform: { code: 2, rows: [-2, 0, 0, 10, 0, 3, 0, -20, 0, 0, 4, 30] },
  });
  const [head, voxels] = [bytes.subarray(0, 348), bytes.subarray(352)];
  put('pair.hdr.gz', gzipSync(head));
  put('pair.img.gz', gzipSync(voxels));
  for (const name of ['pair.hdr.gz', 'pair.img.gz']) {
    const volume = await readVolume(put(name), image);
    assert.equal([[...volume.data], volume.affine.slice(0, 4)], [zeroToEleven, [-2, 0, 0, 10]]);
    assert.equal(volume.notes, []);
  }
  await fails(
    nifti.read(put('alone.hdr', head), image),
    'is one of a pair of files, but there is no',
    'alone.img',
  );
  put('short.hdr', head);
  put('short.img', voxels.subarray(1));
  await fails(nifti.read(put('short.hdr'), image), 'short.img', 'is cut off');
  await fails(nifti.read(put('pair.nii', bytes), image), 'is the header of a pair of files, but its name');

  // Affines by nibabel 4.0, for voxels of 2 x 3 x 4 mm: without an origin, and with SPM's in voxel (2, 1, 2).
  const analyze = Buffer.from(
    buildNifti({ magic: '\0\0\0\0', voxOffset: 0, pixdim: [0, 2, 3, 4], slope: 0 }).subarray(0, 348),
  );
  put('plain.img', voxels);
  const plain = await readVolume(put('plain.hdr', analyze), image);
  assert.equal([...plain.data], zeroToEleven);
  assert.equal(plain.affine, [-2, 0, 0, 2, 0, 3, 0, -1.5, 0, 0, 4, -2, 0, 0, 0, 1]);
  assert.match(plain.notes![0], /is an Analyze 7\.5 image, which does not say which side is left/);
  assert.is(plain.origin?.nifti, undefined);
  for (const [i, at] of [2, 1, 2].entries()) analyze.writeInt16LE(at, 253 + 2 * i);
  put('spm.img', voxels);
  const spm = await readVolume(put('spm.hdr', analyze), image);
  assert.equal(spm.affine, [-2, 0, 0, 2, 0, 3, 0, 0, 0, 0, 4, -4, 0, 0, 0, 1]);
  put('spm.mat', 'MATLAB');
  const placed = await readVolume(put('spm.hdr'), image);
  assert.match(placed.notes![1], /spm\.mat beside .*spm\.hdr may hold its position \(SPM\) and was not read/);
  analyze[252] = 2;
  await fails(readVolume(put('spm.hdr', analyze), image), 'is an Analyze 7.5 header with the orientation 2');
});

test('the NIfTI reader refuses NaN and infinite voxels of images unless they are allowed', async () => {
  for (const datatype of [16, 64]) {
    const values = [0, 1, Number.NaN, Number.POSITIVE_INFINITY];
    const file = put('a.nii', buildNifti({ datatype, values, dims: [1, 2, 1, 2] }));
    const sentence = 'holds 2 voxel(s) that are NaN or infinite, the first (NaN) at [0, 0, 0] of channel 1';
    await fails(nifti.read(file, image), file, sentence, 'nonFinite: true');
    const volume = await nifti.read(file, { ...image, nonFinite: true });
    assert.equal([...volume.data], values);
  }
});

test('the NIfTI reader refuses a gzip file that is cut off, wherever that is', async () => {
  const bytes = gzipSync(buildNifti({ dims: [20, 20, 20] }));
  for (const length of [
    2,
    5,
    10,
    30,
    60,
    200,
    bytes.length >> 1,
    bytes.length - 9,
    bytes.length - 8,
    bytes.length - 1,
  ]) {
    const file = put('cut.nii.gz', bytes.subarray(0, length));
    await fails(nifti.read(file, image), file, /is cut off/, 'Copy or download it again');
  }
});

test('the NIfTI reader refuses a plain file that is cut off, wherever that is', async () => {
  const bytes = buildNifti();
  for (const length of [4, 100, 347, 348, 351, 352, 353, bytes.length - 1]) {
    const file = put('cut.nii', bytes.subarray(0, length));
    await fails(
      nifti.read(file, image),
      file,
      /is cut off/,
      `holds ${length < 352 ? '' : 'at most '}${length} bytes`,
    );
  }
  const file = put('cut.nii', bytes.subarray(0, 3));
  await fails(nifti.read(file, image), file, 'is not a NIfTI file');
});

test('the NIfTI reader refuses gzip data that end with the wrong checksum or length, or are not gzip data', async () => {
  const bytes = gzipSync(buildNifti({ dims: [20, 20, 20] }));
  for (const at of [2, bytes.length >> 1, bytes.length - 8, bytes.length - 1]) {
    const flipped = Buffer.from(bytes);
    flipped[at] ^= 0x55;
    const file = put('flipped.nii.gz', flipped);
    await fails(nifti.read(file, image), file, /is damaged|is cut off/, 'Copy or download it again');
  }
  const crc = Buffer.from(bytes);
  crc[bytes.length - 5] ^= 1;
  await fails(
    nifti.read(put('crc.nii.gz', crc), image),
    'is damaged: its compressed data cannot be inflated',
    'incorrect data check',
  );
});

test('the NIfTI reader refuses a file that is not NIfTI, and says what it begins with', async () => {
  await fails(nifti.read(put('a.nii.gz', ''), image), 'a.nii.gz is empty');
  await fails(nifti.read(put('a.nii.gz', gzipSync('')), image), 'a.nii.gz is empty');
  const text = put('text.nii.gz', 'This is not an image, is it?');
  await fails(nifti.read(text, image), text, 'is not a NIfTI file: it begins with "This is not "', '348');
  await fails(nifti.read(put('a.nii.gz', gzipSync('<html>')), image), 'begins with "<html>"');
  await fails(
    nifti.read(put('._a.nii.gz', Buffer.from([0, 5, 0x16, 7, 0])), image),
    'begins with the bytes 00 05 16 07',
  );
  await fails(
    nifti.read(put('a.nii', buildNifti({ magic: '\0\0\0\0' })), image),
    'its magic is "", but "n+1" was expected',
  );
  await fails(
    nifti.read(put('a.nii', buildNifti({ magic: 'ni1\0' })), image),
    'is the header of a pair of files',
  );
  const asText = buildNifti({ version: 2, magic: 'n+2\0\n\x1a\n\0' });
  await fails(nifti.read(put('a.nii', asText), image), 'line-end check is [10, 26, 10, 0]');
});

test('the NIfTI reader says when a file is missing or a folder', async () => {
  await fails(nifti.read(put('missing.nii'), image), 'missing.nii cannot be read: there is no such file');
  await fails(nifti.read(put('.'), image), 'it is a folder, but a file was expected');
  put('file', 'x');
  await fails(nifti.read(put('file/a.nii'), image), 'a part of its path is a file');
  await fails(nifti.readGrid(put('missing.nii')), 'there is no such file');
  await fails(nifti.read('/dev/null', image), '/dev/null is not a regular file, but a pipe or a device');
});

test('the NIfTI reader refuses more voxels than the header says, at once for a gzip bomb', async () => {
  const more = Buffer.concat([buildNifti(), Buffer.alloc(8)]);
  for (const file of [put('more.nii', more), put('more.nii.gz', gzipSync(more))]) {
    await fails(
      nifti.read(file, image),
      file,
      'holds more than the 376 bytes that its header says (3 x 2 x 2 voxels',
    );
  }
  const bomb = Buffer.concat([gzipSync(buildNifti()), ...Array(40).fill(gzipSync(Buffer.alloc(50 << 20)))]);
  const before = process.memoryUsage().rss;
  await fails(nifti.read(put('bomb.nii.gz', bomb), image), 'holds more than the 376 bytes');
  assert.ok(process.memoryUsage().rss - before < 200 << 20);
});

test('the NIfTI reader passes zero padding that is smaller than any face of the volume', async () => {
  const bytes = buildNifti();
  const face = 2 * 2 * 2;
  const padded = Buffer.concat([bytes, Buffer.alloc(face - 1)]);
  assert.equal([...(await nifti.read(put('a.nii', padded), image)).data], zeroToEleven);
  assert.equal([...(await nifti.read(put('a.nii.gz', gzipSync(padded)), image)).data], zeroToEleven);
  const afterGzip = Buffer.concat([gzipSync(bytes), Buffer.alloc(1000)]);
  assert.equal([...(await nifti.read(put('a.nii.gz', afterGzip), image)).data], zeroToEleven);
  const garbage = Buffer.concat([gzipSync(bytes), Buffer.from('garbage')]);
  await fails(nifti.read(put('a.nii.gz', garbage), image), 'its compressed data cannot be inflated');
  const nonzero = Buffer.concat([bytes, Buffer.from([1])]);
  await fails(nifti.read(put('a.nii', nonzero), image), 'holds more than the 376 bytes');
});

test('the NIfTI reader refuses sizes beyond the file or the memory before it takes any', async () => {
  const huge = buildNifti({ dims: [30000, 30000, 30000], values: [] });
  for (const file of [put('huge.nii', huge), put('huge.nii.gz', gzipSync(huge))]) {
    await fails(
      nifti.read(file, image),
      file,
      'is cut off, or its header is damaged',
      '30000 x 30000 x 30000',
    );
  }
  const file = put('big.nii', buildNifti({ dims: [100, 100, 100], slope: 2 }));
  await fails(
    nifti.read(file, { ...image, maxBytes: 5_000_000 }),
    `${file} needs 5.7 MiB of memory (100 x 100 x 100 voxels of int16), but only 4.8 MiB are available`,
  );
});

test('the NIfTI reader reads the beginning of a file and no more', async () => {
  const values = Array.from({ length: 64 ** 3 }, (_, i) => (i * 7919) % 30011);
  const bytes = gzipSync(buildNifti({ dims: [64, 64, 64], values, datatype: 8 }));
  const header = await nifti.readGrid(put('a.nii.gz', bytes.subarray(0, 10000)));
  assert.equal([header.size, header.channels, header.bytesPerVoxel], [[64, 64, 64], 1, 4]);
  assert.is(header.bytesToRead, 64 ** 3 * 4);
  assert.equal((await nifti.readGrid(put('a.nii', buildNifti()))).size, [3, 2, 2]);
  // A file name in the gzip header that is longer than what is read at first.
  const plain = gzipSync(buildNifti());
  const named = Buffer.concat([
    plain.subarray(0, 10),
    Buffer.alloc(9000, 65),
    Buffer.alloc(1),
    plain.subarray(10),
  ]);
  named[3] = 8;
  assert.equal((await nifti.readGrid(put('named.nii.gz', named))).size, [3, 2, 2]);
  await fails(nifti.readGrid(put('a.nii.gz', 'text')), 'is not a NIfTI file');
  await fails(nifti.readGrid(put('a.nii.gz', bytes.subarray(0, 40))), 'is cut off');
});

test.run();
