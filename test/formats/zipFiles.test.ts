import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findFile, namesInArchive } from '#src/formats/archives.js';
import { readVolume } from '#src/formats/index.js';
import { readZipMember } from '#src/formats/zipFiles.js';
import { buildZip } from '../onnx/checkpoint/buildCheckpoint.js';
import { buildNifti, fails, lcg, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();
const image = { kind: 'image' } as const;
const nifti = buildNifti();

test('members of a zip archive are read like files, stored and deflated, with 32-bit and 64-bit sizes', async () => {
  const members = [
    { name: 'in/a.nii', data: nifti },
    { name: 'in/b.nii', data: nifti, deflated: true },
    { name: 'in/c.nii.gz', data: gzipSync(nifti), deflated: true },
  ];
  for (const wide of [false, true]) {
    const archive = put(`wide-${wide}.zip`, buildZip(members, wide));
    const plain = await readVolume(put('a.nii', nifti), image);
    assert.equal(
      await namesInArchive(archive),
      members.map(({ name }) => name),
    );
    for (const { name } of members) {
      const volume = await readVolume(`${archive}/${name}`, image);
      assert.equal([volume.data, volume.affine], [plain.data, plain.affine], name);
    }
  }
  assert.is((await findFile(put('wide-true.zip/in/b.nii')))?.size, nifti.length);
  assert.is(await findFile(put('wide-true.zip/in/d.nii')), undefined);
});

test('folders, names outside of the archive and macOS files are ignored', async () => {
  const names = [
    'a/',
    '../b.nii',
    '/c.nii',
    'd/../../e.nii',
    '..\\f.nii',
    '__MACOSX/._a.nii',
    './g/h.nii',
    'i\\j.nii',
  ];
  const archive = put('names.zip', buildZip(names.map((name) => ({ name, data: nifti }))));
  assert.equal(await namesInArchive(archive), ['g/h.nii', 'i/j.nii']);
  await fails(readVolume(`${archive}/../b.nii`, image), 'there is no such file');
});

test('an archive that changes is indexed again', async () => {
  const archive = put('changing.zip', buildZip([{ name: 'a', data: nifti }]));
  assert.equal(await namesInArchive(archive), ['a']);
  put('changing.zip', buildZip([{ name: 'longer', data: nifti }]));
  assert.equal(await namesInArchive(archive), ['longer']);
});

test('every cut of a zip archive is refused, and damaged members are refused by name', async () => {
  const sound = buildZip([{ name: 'a.nii', data: nifti, deflated: true }]);
  for (let length = 0; length < sound.length; length++) {
    await fails(namesInArchive(put('cut.zip', sound.subarray(0, length))), 'cut.zip cannot be read');
  }
  const member = (bytes: Buffer, name: string) => readVolume(`${put(name, bytes)}/a.nii`, image);
  const flipped = Buffer.from(sound);
  flipped[45] ^= 1;
  await fails(member(flipped, 'flipped.zip'), 'flipped.zip cannot be read: its member "a.nii"');
  const encrypted = Buffer.from(sound);
  encrypted[encrypted.lastIndexOf('PK\x01\x02', undefined, 'latin1') + 8] |= 1;
  await fails(member(encrypted, 'encrypted.zip'), 'its member "a.nii" is encrypted', 'unpack it');
});

test('zip bombs are refused before memory is taken', async () => {
  const zeros = Buffer.alloc(1 << 20);
  const claim = { name: 'a', data: zeros, deflated: true, size: 2 ** 45 };
  await fails(
    readZipMember(put('claim.zip', buildZip([claim], true)), 'a'),
    'but at most',
    'can be unpacked',
  );
  const ratio = { name: 'a', data: Buffer.alloc(16), deflated: true, size: 1 << 20 };
  await fails(readZipMember(put('ratio.zip', buildZip([ratio])), 'a'), 'which is too much');
  const small = { name: 'a', data: zeros, deflated: true, size: zeros.length - 1 };
  await fails(readZipMember(put('small.zip', buildZip([small])), 'a'), 'cannot be unpacked');
  // Directory entries that share the bytes of one member.
  const one = buildZip([{ name: 'a', data: Buffer.alloc(1000) }]);
  const end = one.length - 22;
  const start = one.readUInt32LE(end + 16);
  const entries = Array.from({ length: 40 }, (_, i) => {
    const entry = Buffer.from(one.subarray(start, end));
    entry[46] = 48 + i;
    return entry;
  });
  const tail = Buffer.from(one.subarray(end));
  tail.writeUInt16LE(entries.length, 10);
  tail.writeUInt32LE(entries.length * (end - start), 12);
  const shared = Buffer.concat([one.subarray(0, start), ...entries, tail]);
  await fails(namesInArchive(put('shared.zip', shared)), 'the members of the zip archive add up to');
});

test('2000 mutated archives are read, or refused in a sentence', async () => {
  const random = lcg(3);
  const sound = buildZip([
    { name: 'a.nii', data: nifti, deflated: true },
    { name: 'b/c.nii', data: nifti },
  ]);
  let read = 0;
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(sound);
    for (let flips = 1 + random(3); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
    const archive = put('mutated.zip', random(6) ? bytes : bytes.subarray(0, random(bytes.length)));
    try {
      for (const name of await namesInArchive(archive)) await findFile(`${archive}/${name}`);
      await readVolume(`${archive}/a.nii`, image);
      read++;
    } catch (error) {
      const { name, message } = error as Error;
      assert.is(name, 'DataError', message);
      assert.ok(message.includes(archive) && message.endsWith('.'), message);
    }
  }
  assert.ok(read > 100 && read < 1900, String(read));
});

test.run();
