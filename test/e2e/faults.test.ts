import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { buildNifti } from '../formats/buildNifti.js';
import { diskTest, evaluateArgs, phantoms, voxstreamActing } from './faults.js';
import { readCsv, start, temporaryFolder, voxstream } from './harness.js';

/** A folder of images of noise, which gzip cannot pack, of 1 MiB each. */
async function noise(count: number): Promise<string> {
  const folder = temporaryFolder();
  let state = 1;
  const data = Float32Array.from({ length: 64 ** 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
  for (let i = 0; i < count; i++) {
    await writeNifti(
      join(folder, `n${String(i).padStart(2, '0')}.nii`),
      makeVolume({ data, size: [64, 64, 64] }),
    );
  }
  return folder;
}

const copyPipeline = (images: string, output: string) => {
  const file = join(temporaryFolder(), 'copy.json');
  const source = { glob: { image: join(images, '*.nii*') } };
  const sinks = [{ nifti: { keys: 'image' } }, 'metricsCsv', 'summary'];
  writeFileSync(file, JSON.stringify({ name: 'copy', output, source, steps: ['load'], sinks }));
  return ['run', file];
};

diskTest(
  'a full disk fails the cases that it does not hold, and --resume does them once there is space',
  8,
  async (disk) => {
    const output = join(disk, 'out');
    // Many cases at once would fill the disk with parts of files.
    const args = [...copyPipeline(await noise(12), output), '--in-flight', '2'];
    const full = await voxstream(args);
    assert.is(full.code, 2, full.stderr);
    assert.match(
      full.stderr,
      /n\d\d_image\.nii\.gz cannot be written: the disk is full; free some space, or choose/,
    );
    const saved = readdirSync(output).filter((name) => name.endsWith('.nii.gz'));
    assert.ok(saved.length >= 5 && saved.length < 12, String(saved));
    assert.not.ok(readdirSync(output, { recursive: true }).some((name) => String(name).endsWith('.partial')));
    execFileSync('mount', ['-o', 'remount,size=32m', disk]);
    const again = await voxstream([...args, '--resume']);
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stdout, /already finished/);
    assert.is(readdirSync(output).filter((name) => name.endsWith('.nii.gz')).length, 12);
    assert.equal(
      readCsv(join(output, 'metrics.csv')).map((row) => row.case),
      Array.from({ length: 12 }, (_, i) => `n${String(i).padStart(2, '0')}`),
    );
    assert.is(readCsv(join(output, 'failures.csv')).length, 0);
  },
);

diskTest(
  'a read-only folder is told before anything runs; one that a sink writes to fails each case',
  1,
  async (disk) => {
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const images = await noise(2);
    const refused = await voxstream(copyPipeline(images, join(disk, 'out')));
    assert.is(refused.code, 1);
    assert.match(
      refused.stderr,
      /out cannot be written: the file system is read-only; choose another output folder\./,
    );
    const output = join(temporaryFolder(), 'out');
    mkdirSync(output);
    symlinkSync(disk, join(output, 'seg'));
    const failed = await voxstream([...copyPipeline(images, output), '--set', 'nifti.dir=seg']);
    assert.is(failed.code, 2, failed.stderr);
    for (const { step, message } of readCsv(join(output, 'failures.csv'))) {
      assert.is(step, 'nifti');
      assert.match(message, /_image\.nii\.gz cannot be written: the file system is read-only/);
    }
  },
);

test('a source file that disappears or changes while the run is on fails its case alone', async () => {
  const dataset = await phantoms(6);
  const image = (id: string) => join(dataset, `imagesTr/${id}.nii.gz`);
  const output = join(temporaryFolder(), 'out');
  const { code, stderr } = await voxstreamActing(evaluateArgs(dataset, output, '--in-flight', '1'), [
    { at: { event: 'start' }, remove: image('ct_04') },
    { at: { event: 'caseDone', case: 'ct_00' }, remove: image('ct_05') },
    { at: { event: 'step', step: 'load', case: 'ct_02' }, extend: image('ct_02') },
  ]);
  assert.is(code, 2, stderr);
  const failures = readCsv(join(output, 'failures.csv'));
  assert.equal(
    failures.map((row) => row.case),
    ['ct_02', 'ct_04', 'ct_05'],
  );
  assert.match(
    failures[0].message,
    /ct_02\.nii\.gz changed while the case was being processed; run the case again/,
  );
  assert.match(failures[1].message, /ct_04\.nii\.gz cannot be read: there is no such file/);
  assert.is(readCsv(join(output, 'metrics.csv')).length, 3);
});

test('gzip bombs and headers that claim more than there is are refused before memory is taken', async () => {
  const folder = temporaryFolder();
  // A small volume, and behind it 2 GiB of zeros in 2 MiB of file.
  const zeros = gzipSync(Buffer.alloc(64 << 20));
  const small = gzipSync(buildNifti({ dims: [16, 16, 16], values: Array(16 ** 3).fill(0) }));
  writeFileSync(join(folder, 'bomb.nii.gz'), Buffer.concat([small, ...Array(32).fill(zeros)]));
  // Whole and sound, and 2 GiB of voxels.
  const header = buildNifti({ dims: [1024, 1024, 1024], values: [] });
  writeFileSync(join(folder, 'huge.nii.gz'), Buffer.concat([gzipSync(header), ...Array(32).fill(zeros)]));
  const claim = buildNifti({ dims: [32767, 32767, 32767], values: [] });
  writeFileSync(join(folder, 'claim.nii'), claim);
  writeFileSync(join(folder, 'claimPacked.nii.gz'), gzipSync(claim));
  const output = join(temporaryFolder(), 'out');
  const run = start([...copyPipeline(folder, output), '--memory', '1GiB', '--workers', '1']);
  let most = 0;
  const watch = setInterval(() => {
    const peak = /VmHWM:\s+(\d+)/.exec(readStatus(run.child.pid));
    most = Math.max(most, Number(peak?.[1] ?? 0) / 1024);
  }, 10);
  const { code, stderr } = await run.ended;
  clearInterval(watch);
  assert.is(code, 2, stderr);
  const messages = Object.fromEntries(
    readCsv(join(output, 'failures.csv')).map((row) => [row.case, row.message]),
  );
  assert.match(
    messages.bomb,
    /bomb\.nii\.gz holds more than the 8544 bytes that its header says \(16 x 16 x 16 voxels/,
  );
  assert.match(
    messages.huge,
    /^Case huge needs about 2\.0 GiB of memory .*but open cases may use only 1\.0 GiB/,
  );
  for (const name of ['claim.nii', 'claimPacked.nii.gz']) {
    assert.match(
      messages[name.split('.')[0]],
      new RegExp(
        `${name} is cut off, or its header is damaged: it holds at most \\d+ bytes, but its header says 7036\\d+ `,
      ),
    );
  }
  if (process.platform === 'linux') assert.ok(most > 30 && most < 500, `${most} MiB`);
});

function readStatus(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

test('sixty cases of which every tenth is broken in another way give 54 results and 6 clear failures', async () => {
  const dataset = await phantoms(60);
  const image = (id: string) => join(dataset, `imagesTr/${id}.nii.gz`);
  const whole = readFileSync(image('ct_09'));
  const broken: Record<string, [content: Buffer | undefined, message: RegExp]> = {
    ct_09: [whole.subarray(0, whole.length / 2), /ct_09\.nii\.gz is cut off/],
    ct_19: [Buffer.from(whole).fill(0x55, 1000, 1100), /ct_19\.nii\.gz is damaged/],
    ct_29: [
      Buffer.from('<html>404</html>'),
      /ct_29\.nii\.gz is not a NIfTI file: it begins with "<html>404<\/h/,
    ],
    ct_39: [undefined, /ct_39\.nii\.gz cannot be read: there is no such file/],
    ct_49: [
      gzipSync(
        buildNifti({
          datatype: 16,
          dims: [3, 2, 2],
          values: Array.from({ length: 12 }, (_, i) => (i === 5 ? Number.NaN : i)),
        }),
      ),
      /ct_49\.nii\.gz holds 1 voxel\(s\) that are NaN or infinite/,
    ],
    ct_59: [
      gzipSync(buildNifti({ dims: [3, 2, 2] })),
      /The label and the image of case ct_59 are on different grids/,
    ],
  };
  for (const [id, [content]] of Object.entries(broken)) {
    rmSync(image(id));
    if (content) writeFileSync(image(id), content);
  }
  const output = join(temporaryFolder(), 'out');
  const { code, stdout, stderr } = await voxstream(evaluateArgs(dataset, output));
  assert.is(code, 2, stderr);
  assert.match(stdout, /54 case\(s\) done, 6 failed/);
  const failures = readCsv(join(output, 'failures.csv'));
  assert.equal(
    failures.map((row) => row.case),
    Object.keys(broken),
  );
  for (const row of failures) assert.match(row.message, broken[row.case][1]);
  assert.is(readCsv(join(output, 'metrics.csv')).length, 54);
  assert.is(readdirSync(output).filter((name) => name.endsWith('_seg.nii.gz')).length, 54);
});

test.run();
