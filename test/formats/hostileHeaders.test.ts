import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { buildNifti } from './buildNifti.js';

// Headers made by hand to mislead a reader. Each must be read, with finite geometry, or refused in a
// sentence, and take no memory for what it claims.

const folder = mkdtempSync(join(tmpdir(), 'voxstream-test-'));
test.after(() => rmSync(folder, { recursive: true }));

/** A valid file with some of its bytes replaced. */
type Patch = (view: DataView) => void;
const patched = (bytes: Buffer, patch: Patch): Buffer => {
  patch(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return bytes;
};
const nifti1 = (patch: Patch) => patched(buildNifti(), patch);
const nifti2 = (patch: Patch) => patched(buildNifti({ version: 2 }), patch);
const dims1 = (...dims: number[]) =>
  nifti1((view) => {
    for (const [i, n] of dims.entries()) view.setInt16(40 + 2 * i, n, true);
  });
const dims2 = (...dims: bigint[]) =>
  nifti2((view) => {
    for (const [i, n] of dims.entries()) view.setBigInt64(16 + 8 * i, n, true);
  });
const float1 = (at: number, value: number) => nifti1((view) => view.setFloat32(at, value, true));
const sform = (value: number) =>
  nifti1((view) => {
    view.setInt16(254, 1, true);
    for (let i = 0; i < 12; i++) view.setFloat32(280 + 4 * i, i % 5 === 0 ? value : 0, true);
  });
const qform = (value: number) =>
  nifti1((view) => {
    view.setInt16(252, 1, true);
    for (let i = 0; i < 6; i++) view.setFloat32(256 + 4 * i, value, true);
  });
const strange = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -1, 1e38, -1e38, 1e-45];

const niftis: Record<string, Buffer> = {
  noDims: dims1(0),
  dimsOf8: dims1(8, 1, 1, 1),
  dimsOfMinus1: dims1(-1, 3, 2, 2),
  zeroAxis: dims1(3, 0, 2, 2),
  negativeAxis: dims1(3, -3, 2, 2),
  twoNegativeAxes: dims1(3, -3, -2, 2),
  hugeAxes: dims1(3, 32767, 32767, 32767),
  hugeChannels: dims1(4, 3, 2, 2, 32767),
  allHuge: dims1(7, 32767, 32767, 32767, 32767, 32767, 32767, 32767),
  overflow2: dims2(3n, 2n ** 62n, 4n, 1n),
  overflowTo12: dims2(4n, 2n ** 32n, 2n ** 32n, 1n, 12n),
  beyondDoubles: dims2(3n, 2n ** 53n + 1n, 1n, 1n),
  negative2: dims2(3n, -1n, -1n, 12n),
  noDims2: dims2(-(2n ** 63n), 1n, 1n, 1n),
  offset2: nifti2((view) => view.setBigInt64(168, 2n ** 62n, true)),
  negativeOffset2: nifti2((view) => view.setBigInt64(168, -1n, true)),
  otherHeaderSize: nifti1((view) => view.setInt32(0, 2 ** 31 - 1, true)),
  strangeUnits: nifti1((view) => view.setUint8(123, 255)),
  extension: nifti1((view) => view.setUint8(348, 1)),
};
for (const value of strange) {
  niftis[`offset ${value}`] = float1(108, value);
  niftis[`slope ${value}`] = float1(112, value);
  niftis[`intercept ${value}`] = float1(116, value);
  niftis[`voxel size ${value}`] = nifti1((view) => {
    for (let i = 0; i < 4; i++) view.setFloat32(76 + 4 * i, value, true);
  });
  niftis[`sform ${value}`] = sform(value);
  niftis[`qform ${value}`] = qform(value);
}
for (const datatype of [0, 1, 32, 128, 255, 1536, 1792, 2048, 2304, -1, 32767]) {
  niftis[`datatype ${datatype}`] = nifti1((view) => view.setInt16(70, datatype, true));
}

const nrrdFields: Record<string, string> = {
  type: 'short',
  dimension: '3',
  space: 'left-posterior-superior',
  sizes: '3 2 2',
  'space directions': '(-1,0,0) (0,-2,0) (0,0,3)',
  'space origin': '(1,2,3)',
  kinds: 'domain domain domain',
  endian: 'little',
  encoding: 'raw',
};
const voxels = Buffer.from(Int16Array.from({ length: 12 }, (_, i) => i).buffer);
const nrrd = (fields: Record<string, string>, body: Uint8Array = voxels) => {
  const lines = Object.entries({ ...nrrdFields, ...fields }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([Buffer.from(`NRRD0004\n${lines.join('\n')}\n\n`), body]);
};
const huge = '9'.repeat(30);
const nrrds: Record<string, Buffer> = {
  sizesZero: nrrd({ sizes: '0 2 2' }),
  sizesNegative: nrrd({ sizes: '-3 -2 2' }),
  sizesHuge: nrrd({ sizes: '65535 65535 65535' }),
  sizesOverflow: nrrd({ sizes: '4294967296 4294967296 1' }),
  sizesEndless: nrrd({ sizes: `${huge} 1 1` }),
  sizesNotNumbers: nrrd({ sizes: 'NaN Infinity 1e400' }),
  sizesExponent: nrrd({ sizes: '1e9 1e9 1e9' }),
  sizesFew: nrrd({ sizes: '3' }),
  dimensionHuge: nrrd({ dimension: huge }),
  dimensionNegative: nrrd({ dimension: '-3' }),
  dimensionFour: nrrd({
    dimension: '4',
    sizes: `${2 ** 31} 3 2 2`,
    kinds: 'vector domain domain domain',
    'space directions': 'none (-1,0,0) (0,-2,0) (0,0,3)',
  }),
  byteSkip: nrrd({ 'byte skip': '1e18' }),
  byteSkipBack: nrrd({ 'byte skip': '-1' }),
  byteSkipFurtherBack: nrrd({ 'byte skip': '-1000000' }),
  lineSkip: nrrd({ 'line skip': '1000000000' }),
  lineSkipBack: nrrd({ 'line skip': '-1' }),
  typeUnknown: nrrd({ type: 'block' }),
  encodingUnknown: nrrd({ encoding: 'bzip2' }),
  otherFile: nrrd({ 'data file': '/etc/passwd' }),
  otherFiles: nrrd({ 'data file': 'x%d.raw 1 1000000000 1' }),
  otherList: nrrd({ 'data file': 'LIST' }),
};
for (const value of ['nan', 'inf', '0', '1e308', '-1e308', '1e-320']) {
  nrrds[`directions ${value}`] = nrrd({ 'space directions': `(${value},0,0) (0,${value},0) (0,0,${value})` });
  nrrds[`origin ${value}`] = nrrd({ 'space origin': `(${value},${value},${value})` });
}

const metaFields: Record<string, string> = {
  ObjectType: 'Image',
  NDims: '3',
  DimSize: '3 2 2',
  ElementType: 'MET_SHORT',
  ElementSpacing: '1 2 3',
  Offset: '1 2 3',
  TransformMatrix: '1 0 0 0 1 0 0 0 1',
  BinaryDataByteOrderMSB: 'False',
};
const meta = (fields: Record<string, string>, body: Uint8Array = voxels, file = 'LOCAL') => {
  const lines = Object.entries({ ...metaFields, ...fields }).map(([name, value]) => `${name} = ${value}`);
  return Buffer.concat([Buffer.from(`${lines.join('\n')}\nElementDataFile = ${file}\n`), body]);
};
const metas: Record<string, Buffer> = {
  sizesZero: meta({ DimSize: '0 2 2' }),
  sizesNegative: meta({ DimSize: '-3 -2 2' }),
  sizesHuge: meta({ DimSize: '65535 65535 65535' }),
  sizesOverflow: meta({ DimSize: '4294967296 4294967296 1' }),
  sizesEndless: meta({ DimSize: `${huge} 1 1` }),
  dimsHuge: meta({ NDims: huge }),
  dimsNegative: meta({ NDims: '-3' }),
  channelsHuge: meta({ ElementNumberOfChannels: '1000000000' }),
  channelsNegative: meta({ ElementNumberOfChannels: '-1' }),
  channelsZero: meta({ ElementNumberOfChannels: '0' }),
  headerSize: meta({ HeaderSize: '1000000000000000000' }),
  headerSizeBack: meta({ HeaderSize: '-1' }),
  headerSizeFurtherBack: meta({ HeaderSize: '-1000' }),
  compressedSize: meta({ CompressedData: 'True', CompressedDataSize: huge }, deflateSync(voxels)),
  typeUnknown: meta({ ElementType: 'MET_STRING' }),
  otherFile: meta({}, voxels, '/etc/passwd'),
  otherFiles: meta({}, voxels, 'x%d.raw 1 1000000000 1'),
  otherList: meta({}, Buffer.from('/etc/passwd\n/etc/group\n'), 'LIST'),
};
for (const value of ['nan', 'inf', '0', '1e308', '-1e308', '1e-320']) {
  metas[`spacing ${value}`] = meta({ ElementSpacing: `${value} ${value} ${value}` });
  metas[`offset ${value}`] = meta({ Offset: `${value} ${value} ${value}` });
  metas[`matrix ${value}`] = meta({ TransformMatrix: `${value} 0 0 0 ${value} 0 0 0 ${value}` });
}

/** Reads a file as everything that it could be; returns the message of a refusal. */
async function read(file: string): Promise<string> {
  const messages: string[] = [];
  for (const attempt of [
    () => readGrid(file),
    () => readVolume(file, { kind: 'image' }),
    () => readVolume(file, { kind: 'label' }),
  ]) {
    try {
      const { affine, size } = await attempt();
      assert.ok(affine.every(Number.isFinite), `${file}: the affine is ${affine}`);
      assert.ok(
        size.every((n) => Number.isInteger(n) && n > 0),
        `${file}: the size is ${size}`,
      );
    } catch (error) {
      if (!(error instanceof VoxError)) throw error;
      assert.ok(error.message.includes(file), error.message);
      messages.push(error.message);
    }
  }
  return messages.join('\n');
}

const peak = () => process.resourceUsage().maxRSS / 1024;

for (const [format, files] of Object.entries({ nii: niftis, nrrd: nrrds, mha: metas })) {
  for (const [name, bytes] of Object.entries(files)) {
    test(`a ${format} file with a misleading header is read or refused: ${name}`, async () => {
      const before = peak();
      const file = join(folder, `${name.replaceAll(' ', '_')}.${format}`);
      writeFileSync(file, bytes);
      const message = await read(file);
      assert.not.match(message, /root:|nobody/, 'the content of another file');
      const isMisleading = /^(dim|sizes|overflow|beyond|huge|all|negative|no|zero|two|other[FL]|channels)/;
      if (isMisleading.test(name)) assert.ok(message, 'it was read');
      assert.ok(peak() - before < 200, `${peak() - before} MiB`);
    });
  }
}

test('files that are longer than their header says, compressed or not, take no memory for the rest', async () => {
  // Before anything else is packed into them, 1 GiB of zeros take 1 MiB.
  const zeros = Buffer.alloc(64 << 20);
  const before = peak();
  const bombs: [name: string, head: Buffer, piece: Buffer][] = [
    ['bomb.nii.gz', gzipSync(buildNifti()), gzipSync(zeros)],
    ['bomb.nrrd', nrrd({ encoding: 'gzip' }, gzipSync(voxels)), gzipSync(zeros)],
    [
      'bomb.mha',
      meta({ CompressedData: 'True' }, deflateSync(Buffer.concat([voxels, zeros]))),
      deflateSync(zeros),
    ],
  ];
  for (const [name, head, piece] of bombs) {
    const file = join(folder, name);
    writeFileSync(file, head);
    for (let i = 0; i < 16; i++) appendFileSync(file, piece);
    assert.match(await read(file), /holds more than|cut off|damaged/, name);
  }
  // 64 GiB that no disk holds.
  for (const [name, bytes] of [
    ['sparse.nii', buildNifti()],
    ['sparse.nrrd', nrrd({})],
    ['sparse.mha', meta({})],
  ] as const) {
    const file = join(folder, name);
    writeFileSync(file, bytes);
    const handle = openSync(file, 'r+');
    ftruncateSync(handle, 2 ** 36);
    closeSync(handle);
    await read(file);
  }
  assert.ok(peak() - before < 300, `${peak() - before} MiB`);
});

test.run();
