import { mkdirSync } from 'node:fs';
import { deflateSync, gzipSync } from 'node:zlib';
import { readImageNode } from '@itk-wasm/image-io';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { toRas } from '#src/volume/affine.js';
import { voxelTypeOf, voxelTypes } from '#src/volume/volume.js';
import { fails, lcg, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();
const image = { kind: 'image' } as const;
const values = Int16Array.from({ length: 24 }, (_, i) => i * 100 - 1000);
const raw = new Uint8Array(values.buffer);

const nrrdFields = {
  type: 'short',
  dimension: '3',
  space: 'left-posterior-superior',
  sizes: '4 3 2',
  'space directions': '(1.5,0,0) (0,1.4,0.2) (0, -0.3, 2.5)',
  kinds: 'domain domain domain',
  endian: 'little',
  encoding: 'raw',
  'space origin': '(10,-20,30)',
};
type Fields = Record<string, string | undefined>;
const nrrd = (changes: Fields = {}, data: Uint8Array = raw, end = '\n') => {
  const lines = Object.entries({ ...nrrdFields, ...changes }).filter(([, value]) => value !== undefined);
  const text = `NRRD0005\n# a comment: not a field\nkey:=value: x\n${lines.map(([key, value]) => `${key}: ${value}\n`).join('')}`;
  return Buffer.concat([Buffer.from(text + end), data]);
};

const metaFields = {
  ObjectType: 'Image',
  NDims: '3',
  BinaryData: 'True',
  BinaryDataByteOrderMSB: 'False',
  CompressedData: 'False',
  TransformMatrix: '1 0 0 0 0.8 0.6 0 -0.6 0.8',
  Offset: '10 -20 30',
  CenterOfRotation: '0 0 0',
  ElementSpacing: '1.5 1.4 2.5',
  DimSize: '4 3 2',
  ElementType: 'MET_SHORT',
};
const meta = (changes: Fields = {}, data: Uint8Array = raw, dataFile = 'LOCAL') => {
  const lines = Object.entries({ ...metaFields, ...changes }).filter(([, value]) => value !== undefined);
  const text = lines.map(([key, value]) => `${key} = ${value}\n`).join('');
  return Buffer.concat([Buffer.from(`${text}ElementDataFile = ${dataFile}\n`), data]);
};

/** What itk-wasm 1.6 reads: voxels, and the affine in RAS+. */
async function itkRead(file: string) {
  const { data, size, spacing, origin, direction } = await readImageNode(file);
  const rows = [0, 1, 2].flatMap((row) => [
    ...[0, 1, 2].map((axis) => Number(direction[3 * row + axis]) * spacing[axis]),
    origin[row],
  ]);
  return { data: Array.from(data as Int16Array), size, affine: toRas([...rows, 0, 0, 0, 1], 'LPS') };
}

const close = (actual: readonly number[], expected: readonly number[]) => {
  assert.is(actual.length, expected.length);
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) < 1e-9, `${actual} is not ${expected}`);
  });
};

test('readVolume reads NRRD in LPS, RAS and LAS with the affine in RAS+', async () => {
  const lps = [-1.5, 0, 0, -10, 0, -1.4, 0.3, 20, 0, 0.2, 2.5, 30, 0, 0, 0, 1];
  const ras = [1.5, 0, 0, 10, 0, 1.4, -0.3, -20, 0, 0.2, 2.5, 30, 0, 0, 0, 1];
  const las = [-1.5, 0, 0, -10, 0, 1.4, -0.3, -20, 0, 0.2, 2.5, 30, 0, 0, 0, 1];
  const cases: [Fields, number[]][] = [
    [{}, lps],
    [{ space: 'RAS' }, ras],
    [{ space: 'right-anterior-superior' }, ras],
    [{ space: 'left-anterior-superior' }, las],
    [{ space: undefined, 'space dimension': '3' }, lps],
  ];
  for (const [changes, affine] of cases) {
    const volume = await readVolume(put('a.nrrd', nrrd(changes)), image);
    close(volume.affine, affine);
    assert.equal([...volume.data], [...values]);
    assert.equal([volume.size, volume.channels, volume.kind], [[4, 3, 2], 1, 'image']);
    assert.ok(volume.data.buffer instanceof SharedArrayBuffer);
    assert.is(volume.origin?.nifti, undefined);
  }
  const plain = {
    space: undefined,
    'space directions': undefined,
    'space origin': undefined,
    spacings: '1 2 3',
  };
  const { affine } = await readVolume(put('a.nrrd', nrrd(plain)), image);
  close(affine, [-1, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]);
});

test('readVolume reads MetaImage with the affine in RAS+', async () => {
  const volume = await readVolume(put('a.mha', meta()), image);
  close(volume.affine, [-1.5, 0, 0, -10, 0, -1.12, 1.5, 20, 0, 0.84, 2, 30, 0, 0, 0, 1]);
  assert.equal([...volume.data], [...values]);
});

test('readVolume agrees with itk-wasm on NRRD and MetaImage', async () => {
  const vector = {
    dimension: '4',
    sizes: '2 3 2 2',
    'space directions': `none ${nrrdFields['space directions']}`,
  };
  const files = [
    put('a.nrrd', nrrd()),
    put('b.nrrd', nrrd({ encoding: 'gzip' }, gzipSync(raw))),
    put('c.nrrd', nrrd({ space: 'RAS', endian: 'big' })),
    put('d.nrrd', nrrd({ 'byte skip': '-1' }, Buffer.concat([Buffer.alloc(9), raw]))),
    put(
      'e.nrrd',
      nrrd({ space: undefined, 'space directions': undefined, 'space origin': undefined, spacings: '1 2 3' }),
    ),
    put('a.mha', meta()),
    put(
      'b.mha',
      meta({ CompressedData: 'True', CompressedDataSize: `${deflateSync(raw).length}` }, deflateSync(raw)),
    ),
    put('c.mha', meta({ BinaryDataByteOrderMSB: 'True' })),
  ];
  for (const file of files) {
    const [volume, itk] = [await readVolume(file, image), await itkRead(file)];
    assert.equal([...volume.data], itk.data, file);
    assert.equal(volume.size, itk.size);
    close(volume.affine, itk.affine);
  }
  // itk-wasm leaves channels side by side.
  const sideBySide = [
    put('f.nrrd', nrrd({ ...vector, kinds: 'vector domain domain domain' })),
    put('f.mha', meta({ ElementNumberOfChannels: '2', DimSize: '3 2 2' })),
  ];
  for (const file of sideBySide) {
    const [volume, itk] = [await readVolume(file, image), await itkRead(file)];
    const even = itk.data.filter((_, i) => i % 2 === 0);
    assert.equal([...volume.data], [...even, ...itk.data.filter((_, i) => i % 2 === 1)]);
    assert.equal([volume.size, volume.channels], [[3, 2, 2], 2]);
    close(volume.affine, itk.affine);
  }
});

test('readVolume takes a last axis for channels that are separate already', async () => {
  const directions = `${nrrdFields['space directions']} none`;
  const changes = { dimension: '4', sizes: '2 3 2 2', 'space directions': directions, kinds: undefined };
  for (const file of [
    put('a.nrrd', nrrd(changes)),
    put('b.nrrd', nrrd({ ...changes, 'space directions': undefined, kinds: 'domain domain domain list' })),
    put(
      'c.mha',
      meta({
        NDims: '4',
        DimSize: '2 3 2 2',
        ElementSpacing: '1 1 1 1',
        Offset: '0 0 0 0',
        TransformMatrix: '1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1',
      }),
    ),
  ]) {
    const volume = await readVolume(file, image);
    assert.equal([...volume.data], [...values]);
    assert.equal([volume.size, volume.channels], [[2, 3, 2], 2]);
  }
});

test('readVolume reads every type of both formats', async () => {
  const types = {
    int8: ['signed char', 'MET_CHAR'],
    uint8: ['uchar', 'MET_UCHAR'],
    int16: ['int16', 'MET_SHORT'],
    uint16: ['unsigned short', 'MET_USHORT'],
    int32: ['int', 'MET_LONG'],
    uint32: ['uint32_t', 'MET_UINT_ARRAY'],
    float32: ['float', 'MET_FLOAT'],
    float64: ['double', 'MET_DOUBLE'],
  } as const;
  for (const [type, [nrrdType, metaType]] of Object.entries(types)) {
    const data = voxelTypes[type as keyof typeof types].from(Array.from({ length: 24 }, (_, i) => i));
    const bytes = new Uint8Array(data.buffer);
    for (const file of [
      put('a.nrrd', nrrd({ type: nrrdType }, bytes)),
      put('a.mha', meta({ ElementType: metaType }, bytes)),
    ]) {
      const volume = await readVolume(file, image);
      assert.is(voxelTypeOf(volume.data), type);
      assert.equal([...volume.data], [...data]);
      const grid = await readGrid(file);
      assert.equal(grid, { ...grid, size: [4, 3, 2], channels: 1, bytesPerVoxel: data.BYTES_PER_ELEMENT });
      close(grid.affine, volume.affine);
    }
  }
  const wide = new Uint8Array(BigInt64Array.from({ length: 24 }, (_, i) => BigInt(-i)).buffer);
  for (const file of [
    put('a.nrrd', nrrd({ type: 'int64' }, wide)),
    put('a.mha', meta({ ElementType: 'MET_LONG_LONG' }, wide)),
  ]) {
    assert.equal(
      [...(await readVolume(file, image)).data],
      Array.from({ length: 24 }, (_, i) => -i || 0),
    );
  }
});

test('readVolume reads voxels from a file in the folder of the header, and from no other', async () => {
  put('voxels 1.raw', raw);
  put('voxels.gz', gzipSync(raw));
  put('voxels.zraw', deflateSync(raw));
  for (const file of [
    put('a.nhdr', nrrd({ 'data file': 'voxels 1.raw' }, Buffer.alloc(0), '')),
    put('a.nhdr', nrrd({ encoding: 'gz', 'data file': './voxels.gz' }, Buffer.alloc(0))),
    put('a.mhd', meta({}, Buffer.alloc(0), 'voxels 1.raw')),
    put('a.mhd', meta({ CompressedData: 'True' }, Buffer.alloc(0), 'voxels.zraw')),
  ]) {
    const volume = await readVolume(file, image);
    assert.equal([...volume.data], [...values]);
    assert.is(volume.origin?.file, file);
  }
  mkdirSync(put('inner'), { recursive: true });
  for (const name of ['/etc/passwd', '../voxels 1.raw', 'inner/../../x', 'C:\\x.raw', '..\\x']) {
    const sentence = `names "${name}" as the file of its voxels, but a file in its own folder was expected`;
    await fails(readVolume(put('a.nhdr', nrrd({ 'data file': name })), image), sentence);
    await fails(readVolume(put('a.mhd', meta({}, raw, name)), image), sentence);
  }
  await fails(
    readVolume(put('a.nhdr', nrrd({ 'data file': 'LIST' })), image),
    'spreads its voxels over several files',
  );
  await fails(
    readVolume(put('a.mhd', meta({}, raw, 'a%03d.raw 1 2 1')), image),
    'spreads its voxels over several',
  );
  await fails(
    readVolume(put('a.mhd', meta({}, raw, 'gone.raw')), image),
    'gone.raw',
    'there is no such file',
  );
});

test('readVolume refuses a file of either format that is cut off or damaged', async () => {
  const packed = { encoding: 'gzip' };
  const zipped = { CompressedData: 'True' };
  const flip = (bytes: Buffer, at: number) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.of(~bytes[at]), bytes.subarray(at + 1)]);
  const [gz, z] = [gzipSync(raw), deflateSync(raw)];
  const cases: [string, Buffer, RegExp][] = [
    [
      'a.nrrd',
      nrrd({}, raw.subarray(0, 40)),
      /is cut off, or its header is damaged: it holds at most 40 bytes, but .* 48/,
    ],
    [
      'a.mha',
      meta({}, raw.subarray(0, 40)),
      /holds at most 40 bytes, but its header says 48 \(4 x 3 x 2 voxels of int16\)/,
    ],
    ['a.nrrd', nrrd(packed, gz.subarray(0, 30)), /is cut off: its compressed data end too early/],
    ['a.mha', meta(zipped, z.subarray(0, 20)), /is cut off: its compressed data end too early/],
    ['a.nrrd', nrrd(packed, flip(gz, gz.length - 6)), /is damaged: its compressed data cannot be inflated/],
    ['a.mha', meta(zipped, flip(z, z.length - 1)), /is damaged: its compressed data cannot be inflated/],
    ['a.mha', meta(zipped, flip(z, 20)), /is damaged|is cut off/],
    ['a.nrrd', nrrd({}, Buffer.concat([raw, raw])), /holds more than the 48 bytes that its header says/],
    [
      'a.mha',
      meta({}, Buffer.concat([raw, Buffer.of(1)])),
      /holds more than the 48 bytes that its header says/,
    ],
    ['a.nrrd', nrrd({ sizes: '4000 4000 4000' }), /its header says 128000000000 \(4000 x 4000 x 4000/],
    ['a.nrrd', Buffer.alloc(0), /is empty/],
    [
      'a.nrrd',
      Buffer.from('NRRD0004\ntype: short\n'),
      /is cut off: the blank line that ends an NRRD header is missing/,
    ],
    ['a.mha', Buffer.from('some text'), /is not a MetaImage file/],
    ['a.mha', Buffer.from('ObjectType = Image\nNDims = 3\n'), /has no "ElementDataFile"/],
  ];
  for (const [name, bytes, pattern] of cases) {
    const file = put(name, bytes);
    await fails(readVolume(file, image), file, pattern);
  }
});

test('readVolume refuses headers that describe no 3D volume of numbers', async () => {
  const cases: [Fields, string][] = [
    [
      { dimension: '2', sizes: '4 6', 'space directions': '(1,0) (0,1)' },
      'is 2D (4 x 6), but a 3D image was expected',
    ],
    [{ sizes: '3 4 2', 'space directions': undefined, kinds: 'RGB-color domain domain' }, 'is 2D (4 x 2)'],
    [
      { dimension: '4', sizes: '2 3 2 2', 'space directions': undefined, kinds: undefined },
      'is 4D (2 x 3 x 2 x 2), but a 3D image, or a 4D one whose first or last axis is for channels',
    ],
    [{ sizes: '4 -3 2' }, 'it says 4 x -3 x 2 voxels'],
    [{ sizes: '4 x 2' }, 'it says 4 x NaN x 2 voxels'],
    [{ sizes: undefined }, 'has no "sizes" in its NRRD header'],
    [{ type: 'block' }, 'holds voxels of type "block", but whole or real numbers were expected'],
    [{ encoding: 'ascii' }, 'has the encoding "ascii", but raw or gzip was expected'],
    [{ 'line skip': '-1' }, 'has "-1" as "line skip"; a whole number, 0 or more, was expected'],
    [{ 'line skip': '90' }, 'but its header says that 90 come before the voxels ("line skip")'],
    [{ 'byte skip': 'x' }, 'has "x" as "byte skip"'],
    [{ 'space directions': '(1,0,0) (0,1,0) (1,1,0)' }, 'is singular: its space directions gives'],
    [{ 'space origin': '(1,2)' }, 'vectors of three numbers were expected'],
    [{ 'space origin': '(1,2,nan)' }, 'is not finite'],
  ];
  for (const [changes, sentence] of cases)
    await fails(readVolume(put('a.nrrd', nrrd(changes)), image), sentence);
  const metaCases: [Fields, string][] = [
    [
      { NDims: '2', DimSize: '4 6', ElementSpacing: '1 1', Offset: '0 0', TransformMatrix: '1 0 0 1' },
      'is 2D (4 x 6), but a 3D image was expected',
    ],
    [{ DimSize: '4 3' }, 'has NDims "3" and DimSize "4 3", but 3 sizes'],
    [{ DimSize: '4 3 0' }, 'it says 4 x 3 x 0 voxels'],
    [{ Offset: '1 2' }, 'has 3 numbers in ElementSpacing, 2 in Offset and 9 in TransformMatrix'],
    [{ ElementSpacing: '1 0 1' }, 'is singular: its TransformMatrix, ElementSpacing and Offset gives'],
    [{ ElementType: 'MET_OTHER' }, 'holds voxels of ElementType "MET_OTHER"'],
    [{ BinaryData: 'False' }, 'holds its voxels as text (BinaryData = False)'],
    [{ HeaderSize: '-2' }, 'has HeaderSize "-2"'],
  ];
  for (const [changes, sentence] of metaCases)
    await fails(readVolume(put('a.mha', meta(changes)), image), sentence);
});

test('readVolume checks labels and memory of these formats as it does for NIfTI', async () => {
  const file = put(
    'a.mha',
    meta({ ElementType: 'MET_FLOAT' }, new Uint8Array(Float32Array.from(values).buffer)),
  );
  const volume = await readVolume(file, { kind: 'label' });
  assert.ok(volume.data instanceof Int16Array);
  await fails(readVolume(file, { kind: 'image', maxBytes: 50 }), `${file} needs 96 B of memory`);
});

test('readVolume gives a volume or a sentence for 600 damaged NRRD and MetaImage files', async () => {
  const random = lcg(7);
  const packed = gzipSync(raw);
  const sound: [string, Buffer][] = [
    ['fuzz.nrrd', nrrd()],
    ['fuzz.nrrd', nrrd({ encoding: 'gzip' }, packed)],
    ['fuzz.mha', meta()],
    ['fuzz.mha', meta({ CompressedData: 'True' }, packed)],
  ];
  let volumes = 0;
  for (let i = 0; i < 600; i++) {
    const [name, whole] = sound[i % sound.length];
    const bytes = Buffer.from(whole);
    for (let flips = 1 + random(3); flips > 0; flips--) bytes[random(bytes.length)] = 32 + random(96);
    const file = put(name, random(8) ? bytes : bytes.subarray(0, random(bytes.length)));
    try {
      const volume = await readVolume(file, { ...image, maxBytes: 1 << 20 });
      assert.is(
        volume.data.length,
        volume.size.reduce((product, n) => product * n, volume.channels),
      );
      assert.ok(volume.affine.every(Number.isFinite));
      volumes++;
    } catch (error) {
      if (!(error instanceof VoxError)) throw error;
      assert.ok(error.message.includes(file) && error.message.endsWith('.'), error.message);
    }
  }
  assert.ok(volumes > 50 && volumes < 550);
});

test('NRRD data may follow lines or bytes to skip, also in compressed data', async () => {
  const text = Buffer.from('first\r\nsecond\n');
  const junk = Buffer.alloc(70_000, 7);
  const cases: [Fields, Uint8Array][] = [
    [{ 'line skip': '2' }, Buffer.concat([text, raw])],
    [{ lineskip: '2', byteskip: '3' }, Buffer.concat([text, Buffer.alloc(3), raw])],
    // Lines are skipped in the file, bytes in the inflated data; so do teem and pynrrd.
    [
      { encoding: 'gzip', 'line skip': '2', 'byte skip': '3' },
      Buffer.concat([text, gzipSync(Buffer.concat([Buffer.alloc(3), raw]))]),
    ],
    [{ encoding: 'gzip', 'byte skip': '-1' }, gzipSync(Buffer.concat([junk, raw]))],
    [{ encoding: 'gzip', 'byte skip': '-1' }, gzipSync(raw)],
    [{ 'line skip': '1', 'byte skip': '-1' }, Buffer.concat([text, junk, raw])],
  ];
  for (const [changes, data] of cases) {
    assert.equal([...(await readVolume(put('a.nrrd', nrrd(changes, data)), image)).data], [...values]);
    put('a.raw', data);
    const detached = put('a.nhdr', nrrd({ ...changes, 'data file': 'a.raw' }, Buffer.alloc(0)));
    assert.equal([...(await readVolume(detached, image)).data], [...values]);
  }
  const short = { encoding: 'gzip', 'byte skip': '-1' };
  await fails(readVolume(put('a.nrrd', nrrd(short, gzipSync(raw.subarray(2)))), image), 'is cut off');
});

test('units that a header names become mm', async () => {
  const lps = [-1.5, 0, 0, -10, 0, -1.4, 0.3, 20, 0, 0.2, 2.5, 30, 0, 0, 0, 1];
  const units = async (name: string, file: Buffer) => {
    const { affine, notes = [] } = await readVolume(put(name, file), image);
    return { affine, notes };
  };
  for (const [name, factor] of [
    ['mm', 1],
    ['millimeters', 1],
    ['', 1],
    ['microns', 1e-3],
    ['\u00b5m', 1e-3],
    ['um', 1e-3],
    ['m', 1e3],
    ['cm', 10],
  ] as const) {
    const { affine, notes } = await units('a.nrrd', nrrd({ 'space units': `"${name}" "${name}" "${name}"` }));
    close(
      affine.slice(0, 12),
      lps.slice(0, 12).map((value) => value * factor),
    );
    assert.is(notes.length, factor === 1 ? 0 : 1);
    if (factor !== 1) assert.ok(notes[0].includes(`is in ${name} (space units)`), notes[0]);
  }
  const mixed = await units('a.nrrd', nrrd({ 'space units': '"mm" "mm" "um"' }));
  close(mixed.affine.slice(8, 12), [0, 0.0002, 0.0025, 0.03]);
  const odd = await units('a.nrrd', nrrd({ 'space units': '"furlong" "furlong" "furlong"' }));
  close(odd.affine, lps);
  assert.match(odd.notes[0], /is in a unit that is not known, "furlong" \(space units\); it was taken as mm/);
  const axes = { 'space directions': undefined, space: undefined, 'space origin': undefined };
  const spaced = await units('a.nrrd', nrrd({ ...axes, spacings: '500 600 700', units: '"um" "um" "um"' }));
  close(spaced.affine, [-0.5, 0, 0, 0, 0, -0.6, 0, 0, 0, 0, 0.7, 0, 0, 0, 0, 1]);
  const metaLps = [-1.5, 0, 0, -10, 0, -1.12, 1.5, 20, 0, 0.84, 2, 30];
  const centi = await units('a.mha', meta({ DistanceUnits: 'cm' }));
  close(
    centi.affine.slice(0, 12),
    metaLps.map((value) => 10 * value),
  );
  assert.equal((await units('a.mha', meta({ DistanceUnits: '?' }))).notes, []);
});

test.run();
