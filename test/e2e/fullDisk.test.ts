import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileServer } from '../models/fileServer.js';
import { diskTest, evaluateArgs, fingerprints, phantoms } from './faults.js';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

// Full disks at downloads, reports and trainings. faults.test.ts has those at segmentations.

const archive = Buffer.alloc(3 << 20, 'voxels ');
const server = await FileServer.start(archive);
test.after(() => server.stop());
const dataset = await phantoms(2);

/** Fills a disk. Returns a function that makes room again. */
function fill(disk: string): () => void {
  const file = join(disk, 'filler');
  try {
    writeFileSync(file, Buffer.alloc(64 << 20));
  } catch {
    // It is full now.
  }
  return () => rmSync(file);
}

const full = /cannot be written: the disk is full; free some space/;

diskTest('a download that fills the disk says so, and continues once there is space', 2, async (disk) => {
  const md5 = createHash('md5').update(archive).digest('hex');
  const registry = join(temporaryFolder(), 'registry.json');
  writeFileSync(registry, JSON.stringify({ Task01: { url: server.url, md5, size: archive.length } }));
  const env = { XDG_CACHE_HOME: disk };
  const pull = () => voxstream(['data', 'pull', 'Task01', '--registry', registry], env);
  const first = await pull();
  assert.is(first.code, 1);
  assert.match(first.stderr, full);
  const file = join(disk, 'voxstream/data/Task01.tar');
  assert.not.ok(existsSync(file));
  execFileSync('mount', ['-o', 'remount,size=8m', disk]);
  const second = await pull();
  assert.is(second.code, 0, second.stderr);
  assert.ok(readFileSync(file).equals(archive));
  assert.match(server.ranges.at(-1) ?? '', /^bytes=[1-9]\d+-$/, 'it continued');
  assert.equal(readdirSync(join(disk, 'voxstream/data')), ['Task01.tar']);
});

diskTest(
  'a report on a full disk fails its cases, and --resume makes it once there is space',
  1,
  async (disk) => {
    const output = join(temporaryFolder(), 'out');
    mkdirSync(output);
    symlinkSync(disk, join(output, 'report'));
    const withReport = join(temporaryFolder(), 'report.json');
    writeFileSync(withReport, '{ "sinks": ["report"] }');
    const [command, pipeline, ...rest] = evaluateArgs(dataset, output);
    const args = [command, pipeline, withReport, ...rest];
    const free = fill(disk);
    const { code, stderr } = await voxstream(args);
    assert.is(code, 2, stderr);
    const failures = readCsv(join(output, 'failures.csv'));
    assert.equal(
      failures.map((row) => [row.case, row.step]),
      [
        ['ct_00', 'report'],
        ['ct_01', 'report'],
      ],
    );
    for (const { message } of failures) assert.match(message, full);
    // What is left out is reported, too.
    assert.match(stderr, /Warning: .*report\/index\.html cannot be written: the disk is full/);
    free();
    const again = await voxstream([...args, '--resume']);
    assert.is(again.code, 0, again.stderr);
    assert.match(readFileSync(join(disk, 'index.html'), 'utf8'), /ct_01/);
    assert.not.ok(readdirSync(disk, { recursive: true }).some((name) => String(name).endsWith('.partial')));

    // The command report, on a disk that is full again.
    const before = readFileSync(join(disk, 'index.html'), 'utf8');
    rmSync(join(disk, 'cases/ct_00/axial.png'));
    const freeAgain = fill(disk);
    const refused = await voxstream(['report', output]);
    assert.is(refused.code, 1);
    assert.match(refused.stderr, full);
    assert.is(readFileSync(join(disk, 'index.html'), 'utf8'), before, 'the old report is whole');
    freeAgain();
    const made = await voxstream(['report', output]);
    assert.is(made.code, 0, made.stderr);
    assert.ok(existsSync(join(disk, 'cases/ct_00/axial.png')));
  },
);

diskTest('records on a full disk are reported, and no earlier file is damaged', 1, async (disk) => {
  const output = join(disk, 'out');
  const args = evaluateArgs(dataset, output);
  await voxstream(args);
  const before = fingerprints(output).results;
  fill(disk);
  const { code, stderr } = await voxstream([...args, '--overwrite']);
  assert.is(code, 1, stderr);
  assert.match(stderr, full);
  assert.equal(fingerprints(output).results, before);
});

test.run();
