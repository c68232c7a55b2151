import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { linux, testNeeding } from '../needs.js';
import { evaluateArgs, eventsOf, phantoms } from './faults.js';
import { bandModel, root, temporaryFolder, voxstream } from './harness.js';

/** Three images in a folder, and the arguments that write them again. */
async function copies() {
  const images = temporaryFolder();
  for (const name of ['a', 'b', 'c']) {
    const data = Int16Array.from({ length: 64 }, (_, i) => i);
    await writeNifti(join(images, `${name}.nii`), makeVolume({ data, size: [4, 4, 4] }));
  }
  const file = join(temporaryFolder(), 'p.yaml');
  const output = join(temporaryFolder(), 'out');
  const sinks = '[{ nifti: { keys: image, postfix: x } }, metricsCsv]';
  writeFileSync(
    file,
    `source: { glob: { image: '${images}/*.nii' } }\nsteps: [load]\nsinks: ${sinks}\noutput: '${output}'\n`,
  );
  return { images, file, output, journal: join(output, '.voxstream/journal.jsonl') };
}

/** Runs with `--json`; the reasons by case for which cases were run. */
async function reasons(args: readonly string[]): Promise<Record<string, string | undefined>> {
  const { code, stdout, stderr } = await voxstream([...args, '--json']);
  assert.is(code, 0, stderr);
  const started = eventsOf(stdout).filter(({ event }) => event === 'caseStart');
  return Object.fromEntries(started.map((event) => [event['case'], event['reason']]));
}

/** Changes one byte near the end of a file, and keeps its size and time. */
function changeInside(file: string): void {
  const before = `${file}.before`;
  // With nanoseconds, which utimes does not keep.
  execFileSync('touch', ['-r', file, before]);
  const bytes = readFileSync(file);
  bytes[bytes.length - 20] ^= 1;
  writeFileSync(file, bytes);
  execFileSync('touch', ['-r', before, file]);
  rmSync(before);
}

test('a model whose card was edited, other label names and another provider make cases run again', async () => {
  const dataset = await phantoms(2);
  const model = join(temporaryFolder(), 'spleen_band');
  cpSync(bandModel, model, { recursive: true });
  const output = join(temporaryFolder(), 'out');
  const again = [...evaluateArgs(dataset, output, '--resume'), '--set', `model=${model}`];
  // Cases that run at once start in any order.
  assert.equal(Object.keys(await reasons(again)).sort(), ['ct_00', 'ct_01']);
  assert.equal(await reasons(again), {});

  const card = join(model, 'metadata.json');
  writeFileSync(card, JSON.stringify({ ...JSON.parse(readFileSync(card, 'utf8')), axes: 'zyx' }));
  const ofCard = 'the pipeline or its model changed';
  assert.equal(await reasons(again), { ct_00: ofCard, ct_01: ofCard });

  const names = join(dataset, 'dataset.json');
  writeFileSync(names, readFileSync(names, 'utf8').replace('"spleen"', '"liver"'));
  const ofNames = 'its files or label names in the dataset changed';
  assert.equal(await reasons(again), { ct_00: ofNames, ct_01: ofNames });

  const journal = join(output, '.voxstream/journal.jsonl');
  const lines = readFileSync(journal, 'utf8');
  assert.match(lines, /"provider":"cpu"/);
  writeFileSync(journal, lines.replace('"provider":"cpu"', '"provider":"cuda"'));
  assert.equal(Object.values(await reasons(again)), ['its model ran on cuda, and now runs on cpu']);
});

test('another seed makes cases run again', async () => {
  const { file } = await copies();
  await reasons(['run', file]);
  const seeded = await reasons(['run', file, '--resume', '--set', 'runtime.seed=1']);
  assert.is(seeded['a'], 'the pipeline or its model changed');
});

testNeeding(linux, '--resume compares sizes and times, and --resume=checksum contents', async () => {
  const { images, file, output } = await copies();
  assert.equal(Object.keys(await reasons(['run', '--resume=checksum', file])).length, 3);
  assert.equal(await reasons(['run', '--resume=checksum', file]), {});
  changeInside(join(images, 'a.nii'));
  changeInside(join(output, 'b_x.nii.gz'));
  // The value of --resume is not the file after it.
  assert.equal(await reasons(['run', '--resume', file]), {});
  assert.equal(await reasons(['run', '--resume=checksum', file]), {
    a: `${relative(root, join(images, 'a.nii'))} changed`,
    b: `${join(output, 'b_x.nii.gz')} is missing or changed`,
  });
  // Times do not matter then.
  utimesSync(join(images, 'c.nii'), new Date(), new Date(2020, 1));
  assert.equal(await reasons(['run', '--resume=checksum', file]), {});
  assert.match(
    (await voxstream(['run', '--resume=sha', file])).stderr,
    /It must be --resume or --resume=checksum/,
  );
});

test('cases of a run without checksums are run again with --resume=checksum', async () => {
  const { file } = await copies();
  await reasons(['run', file]);
  const reason = 'the earlier run took no checksums, which --resume=checksum needs';
  assert.equal(await reasons(['run', file, '--resume=checksum']), { a: reason, b: reason, c: reason });
  assert.equal(await reasons(['run', file, '--resume=checksum']), {});
});

test('journal entries that are not whole, or do not list what sinks write, make a case run again', async () => {
  const { file, output, journal } = await copies();
  await reasons(['run', file]);
  const lines = readFileSync(journal, 'utf8').trim().split(/\n+/);
  const entries = lines.map((line) => JSON.parse(line));
  const again = async (damaged: readonly unknown[], reason: string) => {
    const texts = damaged.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
    writeFileSync(journal, `${texts.join('\n')}\n`);
    const found = await reasons(['run', file, '--resume']);
    assert.equal(Object.keys(found).sort(), ['a', 'b', 'c']);
    for (const [id, why] of Object.entries(found)) assert.is(why, reason.replace('ID', id), texts.join('\n'));
  };
  const [a, b, c] = entries;
  const missing = 'not finished in the earlier run';
  await again(['{}', 'null', '[1]', `{"case":"${a.case}"}`], missing);
  await again(
    [
      { ...a, inputs: undefined },
      { ...b, inputs: [null] },
      { ...c, outputs: 'x' },
    ],
    missing,
  );
  await again([{ ...a, metrics: null }, { ...b, notes: 1 }, JSON.stringify(c).slice(0, -9)], missing);
  const empty = entries.map((entry) => ({ ...entry, outputs: [] }));
  await again(empty, `its journal entry does not list ${join(output, 'ID_x.nii.gz')}`);
});

test.run();
