import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, VoxError } from '#src/errors.js';
import { makeFolder, partialSuffix, readFault, writeAside, writeFault } from '#src/formats/aside.js';
import { linux, testNeeding } from '../needs.js';
import { fails, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();

test('writeAside makes folders, and the file appears only when it is whole', async () => {
  const file = put('new/deep/a b ü.txt');
  await writeAside(file, async (temporary) => {
    assert.is(dirname(temporary), dirname(file));
    assert.ok(temporary.startsWith(`${file}.${process.pid}-`) && temporary.endsWith(partialSuffix));
    await writeFile(temporary, 'whole');
    assert.not.ok(existsSync(file));
  });
  assert.is(readFileSync(file, 'utf8'), 'whole');
  assert.equal(readdirSync(dirname(file)), ['a b ü.txt']);
});

test('writeAside replaces a file, and leaves it as it was when writing fails', async () => {
  const file = put('kept.txt', 'old');
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const write = writeAside(file, async (temporary) => {
    await writeFile(temporary, 'half');
    throw full;
  });
  await fails(write, `${file} cannot be written: the disk is full; free some space`);
  assert.is(readFileSync(file, 'utf8'), 'old');
  assert.equal(
    readdirSync(dirname(file)).filter((name) => name.endsWith(partialSuffix)),
    [],
  );
  await writeAside(file, (temporary) => writeFile(temporary, 'new'));
  assert.is(readFileSync(file, 'utf8'), 'new');
});

test('writeAside says when a file is where a folder should be, or the other way round', async () => {
  const file = put('plain.txt', 'x');
  await fails(
    writeAside(join(file, 'a.txt'), (temporary) => writeFile(temporary, '')),
    'a part of its path is a file, not a folder; choose another output folder',
  );
  await fails(
    writeAside(join(file, 'b', 'a.txt'), (temporary) => writeFile(temporary, '')),
    'a part of its path is a file, not a folder',
  );
  mkdirSync(put('folder'));
  writeFileSync(join(put('folder'), 'inside'), '');
  await fails(
    writeAside(put('folder'), (temporary) => writeFile(temporary, '')),
    'a folder of that name is in the way',
  );
});

test('makeFolder makes missing levels, takes part in races, and leaves what is there', async () => {
  const deep = put('a/b/c/d');
  await Promise.all(Array.from({ length: 20 }, () => makeFolder(deep)));
  assert.ok(existsSync(deep));
  await makeFolder(deep);
  symlinkSync(put('nowhere'), put('dangling'));
  await makeFolder(put('dangling/x')).then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, 'EEXIST'),
  );
});

testNeeding(linux, 'makeFolder ends where the file system refuses folders', async () => {
  await fails(
    makeFolder('/proc/none/deeper/still'),
    'The folder /proc/none cannot be created: the file system of /proc does not allow it. Choose another folder.',
  );
});

test('faults name the file, the cause and what to do, and leave sentences alone', () => {
  const coded = (code: string) => Object.assign(new Error(`${code}: …`), { code });
  assert.is(
    writeFault('out/a.nii.gz', coded('EROFS')).message,
    'out/a.nii.gz cannot be written: the file system is read-only; choose another output folder.',
  );
  assert.match(writeFault('a', coded('EDQUOT')).message, 'the disk quota is used up');
  assert.match(
    writeFault('a', coded('EACCES')).message,
    'permission is denied; check the rights of its folder',
  );
  assert.is(
    readFault('a', coded('EACCES')).message,
    'a cannot be read: permission is denied; check its rights.',
  );
  assert.is(readFault('a', new Error('odd')).message, 'a cannot be read: odd.');
  assert.instance(readFault('a', 'thrown text'), DataError);
  const sentence = new VoxError('A sentence.');
  assert.is(writeFault('a', sentence), sentence);
});

test.run();
