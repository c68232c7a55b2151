import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { buildNifti, lcg, temporaryFolder } from './buildNifti.js';
import { fixturePath } from './expectedImages.js';

const put = temporaryFolder();

/** So many mutated files of each format. */
const rounds = 2000;

type Whole = (n: number) => number;

/**
 * What a test knows of a mutated file: its bytes, and the sizes that its header gives, if that is easy to
 * tell.
 */
interface Mutated {
  readonly bytes: Buffer;
  readonly sizes?: readonly number[];
}

/**
 * Reads mutated files of a format. Each must end with a volume of the size in its header, or with a sentence
 * that names the file. Returns how many were volumes.
 */
async function fuzz(name: string, mutate: (random: Whole) => Mutated): Promise<number> {
  const random = lcg(1);
  let volumes = 0;
  for (let i = 0; i < rounds; i++) {
    const { bytes, sizes } = mutate(random);
    const file = put(name, bytes);
    try {
      const kind = random(2) ? 'image' : 'label';
      const volume = await readVolume(file, { kind, maxBytes: 1 << 20, nonFinite: random(2) === 0 });
      const grid = await readGrid(file);
      assert.is(
        volume.data.length,
        volume.size.reduce((product, n) => product * n, volume.channels),
      );
      assert.equal([volume.size, volume.affine], [grid.size, grid.affine]);
      assert.ok(volume.affine.every(Number.isFinite));
      if (sizes) assert.equal(volume.size, sizes.slice(0, 3), bytes.toString('latin1', 0, 400));
      volumes++;
    } catch (error) {
      if (!(error instanceof VoxError)) throw error;
      assert.ok(error.message.includes(file) && error.message.endsWith('.'), error.message);
    }
  }
  return volumes;
}

/** Changes some bytes before `end`, and cuts off the end at times. */
function damage(bytes: Buffer, end: number, random: Whole): Buffer {
  for (let flips = 1 + random(4); flips > 0; flips--) bytes[random(end)] = random(256);
  return random(8) ? bytes : bytes.subarray(0, random(bytes.length));
}

/** The dimensions in a NIfTI-1 header, by the offsets in nifti1.h. */
function niftiSizes(bytes: Buffer): readonly number[] | undefined {
  if (bytes.length < 48) return undefined;
  const little = bytes.readInt32LE(0) === 348;
  if (!little && bytes.readInt32BE(0) !== 348) return undefined;
  return [42, 44, 46].map((at) => (little ? bytes.readInt16LE(at) : bytes.readInt16BE(at)));
}

test(`${rounds} mutated NIfTI files`, async () => {
  const volumes = await fuzz('a.nii', (random) => {
    const version = random(2) ? 1 : 2;
    const plain = buildNifti({ dims: [4, 4, 4], version, littleEndian: random(2) === 0 });
    if (random(3) === 0) {
      const zipped = gzipSync(plain);
      return { bytes: damage(zipped, zipped.length, random) };
    }
    // The header rather than the voxels, where any value is a good one.
    const bytes = damage(plain, version === 1 ? 352 : 544, random);
    return { bytes, sizes: version === 1 ? niftiSizes(bytes) : undefined };
  });
  assert.ok(volumes > 100 && volumes < rounds - 100, String(volumes));
});

test(`${rounds} mutated headers of NIfTI and Analyze pairs`, async () => {
  put('pair.img', buildNifti({ dims: [4, 4, 4] }).subarray(352));
  const volumes = await fuzz('pair.hdr', (random) => {
    const magic = random(2) ? 'ni1\0' : '\0\0\0\0';
    const bytes = damage(buildNifti({ dims: [4, 4, 4], magic, voxOffset: 0 }).subarray(0, 348), 348, random);
    return { bytes, sizes: niftiSizes(bytes) };
  });
  assert.ok(volumes > 100 && volumes < rounds - 100, String(volumes));
});

/** Replaces words of a text header by other words of it, by numbers, or by nothing; some bytes by others. */
function scramble(header: string, random: Whole): string {
  const words = header.split(/([\s:=(),]+)/);
  const others = ['0', '-1', '1e400', 'nan', '4294967296', '0.5', '', 'none', '"um"', '99999999999999999999'];
  for (let changes = 1 + random(2); changes > 0; changes--) {
    const replacements = [words[random(words.length)], others[random(others.length)]];
    words[random(words.length)] = replacements[random(2)];
  }
  const text = words.join('');
  if (random(3)) return text;
  const at = random(text.length);
  return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
}

const voxels = Buffer.from(Int16Array.from({ length: 64 }, (_, i) => i).buffer);

test(`${rounds} mutated NRRD files`, async () => {
  const volumes = await fuzz('a.nrrd', (random) => {
    const zipped = random(2) === 0;
    const header =
      'NRRD0004\n# comment\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 4 4\n' +
      'space directions: (1,0,0) (0,2,0) (0,0,3)\nkinds: domain domain domain\nendian: little\n' +
      `encoding: ${zipped ? 'gzip' : 'raw'}\nbyte skip: ${random(3) ? 0 : -1}\nline skip: 0\n` +
      'space origin: (1,2,3)\nspace units: "mm" "mm" "mm"\n' +
      'Segment0_ID:=s\nSegment0_Name:=spleen\nSegment0_Layer:=0\nSegment0_LabelValue:=1\n';
    const text = scramble(header, random);
    const bytes = Buffer.concat([Buffer.from(`${text}\n`, 'latin1'), zipped ? gzipSync(voxels) : voxels]);
    const given = /^sizes: (\d+) (\d+) (\d+)$/m.exec(text)?.slice(1).map(Number);
    return { bytes: random(8) ? bytes : bytes.subarray(0, random(bytes.length)), sizes: given };
  });
  assert.ok(volumes > 100 && volumes < rounds - 100, String(volumes));
});

test(`${rounds} mutated MetaImage files`, async () => {
  const volumes = await fuzz('a.mha', (random) => {
    const zipped = random(2) === 0;
    const header =
      `ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = ${zipped}\n` +
      'TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 1 2 3\nDistanceUnits = mm\n' +
      'DimSize = 4 4 4\nElementType = MET_SHORT\n';
    const text = scramble(header, random);
    const data = zipped ? gzipSync(voxels) : voxels;
    const bytes = Buffer.concat([Buffer.from(`${text}ElementDataFile = LOCAL\n`, 'latin1'), data]);
    const given = /^DimSize = (\d+) (\d+) (\d+)$/m.exec(text)?.slice(1).map(Number);
    return { bytes: random(8) ? bytes : bytes.subarray(0, random(bytes.length)), sizes: given };
  });
  assert.ok(volumes > 100 && volumes < rounds - 100, String(volumes));
});

test(`${rounds} mutated MGH files`, async () => {
  const sound = readFileSync(fixturePath('channels.mgh'));
  const volumes = await fuzz('a.mgh', (random) => {
    const plain = Buffer.from(sound);
    if (random(3) === 0) {
      const zipped = gzipSync(plain);
      return { bytes: damage(zipped, zipped.length, random) };
    }
    // The fields end at byte 90. Most of what follows is unused or voxels.
    const bytes = damage(plain, random(2) ? 90 : plain.length, random);
    const sizes = bytes.length >= 16 ? [4, 8, 12].map((at) => bytes.readInt32BE(at)) : undefined;
    return { bytes, sizes };
  });
  assert.ok(volumes > 100 && volumes < rounds - 100, String(volumes));
});

test.run();
