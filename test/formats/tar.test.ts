import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getEnvironmentData } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findFile } from '#src/formats/archives.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { indexTar } from '#src/formats/tar.js';
import { readVolumeTask } from '#src/operators/load.js';
import type { OptionsOf } from '#src/options.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { decathlon } from '#src/sources/decathlon.js';
import { evaluateArgs, fingerprints, phantoms } from '../e2e/faults.js';
import { readCsv, temporaryFolder, voxstream } from '../e2e/harness.js';
import { buildNifti } from './buildNifti.js';
import { tarMember as member } from './buildTar.js';

function archive(...parts: Buffer[]): string {
  const file = join(temporaryFolder(), 'Task09_Spleen.tar');
  writeFileSync(file, Buffer.concat([...parts, Buffer.alloc(1024)]));
  return file;
}

const image = gzipSync(buildNifti());

const casesOf = async (options: OptionsOf<typeof decathlon>) => {
  const cases = [];
  for await (const one of decathlon(options)) cases.push(one);
  return cases;
};

test('an archive as the Decathlon publishes it is a dataset, AppleDouble files and all', async () => {
  const root = archive(
    member('._Task09_Spleen', 'AppleDouble'),
    member('Task09_Spleen/', '', '5'),
    member('Task09_Spleen/._dataset.json', 'AppleDouble'),
    member('Task09_Spleen/imagesTr/._spleen_2.nii.gz', 'AppleDouble'),
    member('Task09_Spleen/imagesTr/spleen_2.nii.gz', image),
    member('Task09_Spleen/labelsTr/spleen_2.nii.gz', image),
    member(
      'Task09_Spleen/dataset.json',
      JSON.stringify({
        labels: { 1: 'spleen' },
        training: [{ image: './imagesTr/spleen_2.nii.gz', label: './labelsTr/spleen_2.nii.gz' }],
        test: ['./imagesTs/missing.nii.gz', '../../outside.nii.gz'],
      }),
    ),
  );
  const [found] = await casesOf({ root, split: 'train' });
  assert.is(found.id, 'spleen_2');
  assert.is(found.files.image, join(root, 'Task09_Spleen/imagesTr/spleen_2.nii.gz'));
  assert.equal(found.labelNames, { 1: 'spleen' });
  assert.equal((await readGrid(found.files.image)).size, [3, 2, 2]);
  assert.equal(
    Array.from((await readVolume(found.files.image, { kind: 'image' })).data).slice(0, 4),
    [0, 1, 2, 3],
  );
  const missing = await readVolume(join(root, 'Task09_Spleen/imagesTs/missing.nii.gz'), {
    kind: 'image',
  }).catch(String);
  assert.match(String(missing), /imagesTs\/missing\.nii\.gz cannot be read: there is no such file/);
  const outside = await casesOf({ root, split: 'test' }).catch(String);
  assert.match(String(outside), /outside.*is outside the dataset's folder/);
});

test('without dataset.json the folders are the dataset, and a worker thread reads from the archive', async () => {
  const root = archive(
    member('./data/imagesTs/b.nii.gz', image),
    member('./data/imagesTs/a.nii.gz', image),
    member('./data/imagesTs/._a.nii.gz', 'x'),
  );
  const cases = await casesOf({ root });
  assert.equal(
    cases.map(({ id }) => id),
    ['a', 'b'],
  );
  const runtime = createRuntime({ device: 'cpu', workers: 2 });
  const volumes = await Promise.all(
    cases.map(({ files }) => runtime.run(readVolumeTask, files.image, { kind: 'image' })),
  );
  assert.equal(
    volumes.map(({ size }) => size),
    [
      [3, 2, 2],
      [3, 2, 2],
    ],
  );
  await runtime.close();
});

test('names that leave the folder are no members, links are what they name, and later members win', async () => {
  const index = await indexTar(
    archive(
      member('../evil', 'a'),
      member('/etc/passwd', 'b'),
      member('x/../../evil', 'c'),
      member('x/a', 'one'),
      member('x/hard', '', '1', 'x/a'),
      member('x/soft', '', '2', 'a'),
      member('x/a', 'second'),
    ),
  );
  assert.equal([...index.keys()], ['x/a', 'x/hard']);
  assert.is(index.get('x/a')?.size, 6);
  assert.is(index.get('x/a')?.modified, 1.6e12);
});

for (const format of ['ustar', 'gnu', 'pax']) {
  test(`what tar --format=${format} writes is read back, long names too`, async () => {
    const folder = temporaryFolder();
    const long = `${'very_'.repeat(12)}long/${'name_'.repeat(12)}ü.nii`;
    const deep = format === 'ustar' ? 'plain/a ü.nii' : join('x'.repeat(90), long);
    for (const name of [deep, 'empty.nii']) {
      mkdirSync(join(folder, 'in', name, '..'), { recursive: true });
      writeFileSync(join(folder, 'in', name), name === deep ? buildNifti() : '');
    }
    const file = join(folder, 'data.tar');
    execFileSync('tar', [`--format=${format}`, '-cf', file, '-C', join(folder, 'in'), '.']);
    const index = await indexTar(file);
    assert.equal([...index.keys()].sort(), [deep, 'empty.nii'].sort());
    assert.equal((await readVolume(join(file, deep), { kind: 'image' })).size, [3, 2, 2]);
    const empty = await readVolume(join(file, 'empty.nii'), { kind: 'image' }).catch(String);
    assert.match(String(empty), /data\.tar\/empty\.nii is empty/);
  });
}

test('a compressed, truncated or damaged archive, and a file that is not one, are reported', async () => {
  const whole = readFileSync(archive(member('a', 'x'.repeat(2000)), member('b', 'y')));
  const put = (bytes: Buffer) => {
    const file = join(temporaryFolder(), 'a.tar');
    writeFileSync(file, bytes);
    return indexTar(file).then(() => 'no error', String);
  };
  assert.match(
    await put(gzipSync(whole)),
    /a\.tar is a compressed archive, from which single files cannot be read\. Decompress it once/,
  );
  assert.match(
    await put(whole.subarray(0, 1000)),
    /a\.tar is cut off: its member a ends at byte 2512, but the file has 1000/,
  );
  assert.match(
    await put(Buffer.from(whole).fill(1, 2560, 2570)),
    /a\.tar is damaged: the header at byte 2560 has the wrong checksum/,
  );
  assert.match(
    await put(Buffer.from('no archive'.repeat(100))),
    /is not a tar archive: it does not begin with a header/,
  );
});

test('an extended header of more than 1 MiB is refused without reading it', async () => {
  // A sparse file: the header says 3 GiB, more than a buffer may have.
  for (const type of ['x', 'g', 'L', 'K']) {
    const file = join(temporaryFolder(), 'a.tar');
    const header = member('long', '', type).subarray(0, 512);
    header.write(`${(3 * 2 ** 30).toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    writeFileSync(file, header);
    truncateSync(file, 512 + 3 * 2 ** 30);
    const error = await indexTar(file).catch(String);
    assert.match(
      String(error),
      /a\.tar is damaged: the extended header at byte 0 has 3\.0 GiB, but 1\.0 MiB at/,
    );
  }
});

test('worker threads look members up in the one index of their parent', async () => {
  const names = Array.from({ length: 3000 }, (_, i) => `x/${i}_ü\u{1f600}.nii`);
  const file = archive(...names.map((name, i) => member(name, 'a'.repeat(i % 700))));
  const index = await indexTar(file);
  assert.is(index.size, 3000);
  assert.equal([...index.keys()], [...names].sort());
  for (const [i, name] of names.entries()) assert.is(index.get(name)?.size, i % 700, name);
  for (const name of ['', 'x', 'x/', 'x/1', 'y', '\uffff']) assert.is(index.get(name), undefined);
  const shared = getEnvironmentData('voxstream tar indexes') as Map<string, { table: object }>;
  for (const part of Object.values(shared.get(file)!.table)) assert.instance(part, SharedArrayBuffer);
});

test('an archive that changes is indexed again', async () => {
  const file = archive(member('a', 'one'));
  assert.is((await findFile(join(file, 'a')))?.size, 3);
  writeFileSync(file, Buffer.concat([member('b', 'more'), member('a', 'three'), Buffer.alloc(1024)]));
  utimesSync(file, new Date(), new Date(2021, 1));
  assert.is((await findFile(join(file, 'a')))?.size, 5);
  assert.is(await findFile(join(file, 'c')), undefined);
});

test('a run from an archive gives what one from the folder gives, and --resume looks at members', async () => {
  const dataset = await phantoms(3);
  const folder = temporaryFolder();
  const tar = join(folder, 'Task09_Spleen.tar');
  const pack = () => execFileSync('tar', ['-cf', tar, '-C', join(dataset, '..'), 'data']);
  pack();
  assert.is((await voxstream(evaluateArgs(dataset, join(folder, 'a')))).code, 0);
  const packed = await voxstream(evaluateArgs(tar, join(folder, 'b')));
  assert.is(packed.code, 0, packed.stderr);
  assert.equal(fingerprints(join(folder, 'b')).results, fingerprints(join(folder, 'a')).results);
  // Packed anew with one image changed: its neighbours are where they were not, and are the same.
  utimesSync(join(dataset, 'imagesTr/ct_00.nii.gz'), new Date(), new Date(2021, 1));
  appendFileSync(join(dataset, 'dataset.json'), ' '.repeat(3000));
  pack();
  const again = await voxstream(evaluateArgs(tar, join(folder, 'b'), '--resume'));
  assert.match(again.stdout, /1 case\(s\) done, 2 already finished/);
  assert.match(again.stderr, /ct_00: again, .*Task09_Spleen\.tar\/data\/imagesTr\/ct_00\.nii\.gz changed/);
  assert.is(readCsv(join(folder, 'b/metrics.csv')).length, 3);
});

test.run();
