import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { readMetrics } from '#src/pipeline/readMetrics.js';
import { makeVolume } from '#src/volume/volume.js';
import { eventsOf } from './faults.js';
import { temporaryFolder, voxstream } from './harness.js';

/** Ids as somebody may have put them into a dataset, and what they become. */
const ids = [
  "=cmd|' /C calc'!A0",
  '-2+3',
  '+1',
  '@SUM(A1)',
  "'=already",
  '\u001b[31mred\u001b[0m\u001b]0;title\u0007',
  'two\nlines',
  'return\rhere',
  '\u202efdp.exe',
  'c1\u009b31m',
  '<script>alert(1)</script>',
];
const lone = 'half\ud800';
const label = 'sp\u001b[31m\u202een';

/** Characters that act, line breaks aside. */
const acting = /(?!\n)[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;

const folder = temporaryFolder();
await writeNifti(
  join(folder, 'images/a.nii'),
  makeVolume({ data: new Uint8Array(64).fill(1, 0, 20), size: [4, 4, 4] }),
);
writeFileSync(
  join(folder, 'list.json'),
  JSON.stringify([...ids, lone].map((id) => ({ id, image: 'images/a.nii', label: 'images/a.nii' }))),
);
const names = join(folder, 'names.json');
writeFileSync(names, JSON.stringify({ labels: { 1: label } }));
const output = join(folder, 'out');
const pipeline = join(folder, 'p.json');
writeFileSync(
  pipeline,
  JSON.stringify({
    output,
    source: { datalist: { path: join(folder, 'list.json') } },
    steps: ['load', { volume: { pred: 'label' } }],
    sinks: [
      { nifti: { keys: 'image', postfix: 'x' } },
      'metricsCsv',
      'summary',
      { report: { pred: 'label' } },
    ],
  }),
);

test('hostile ids reach neither the terminal, nor file names, nor spreadsheets', async () => {
  const { code, stdout, stderr } = await voxstream(['run', pipeline]);
  assert.is(code, 0, stderr);
  assert.not.match(stdout, acting);
  assert.not.match(stderr, acting);
  assert.match(stderr, /\] \\u001b\[31mred\\u001b\[0m\\u001b\]0;title\\u0007: /);
  assert.match(stderr, /\] two\\u000alines: /);
  for (const name of readdirSync(output, { recursive: true, encoding: 'utf8' })) {
    assert.not.match(name, acting);
    assert.not.match(name, /\n/);
  }
  for (const file of ['metrics.csv', 'timings.csv']) {
    const cells = readFileSync(join(output, file), 'utf8').split(/[\n,]/);
    for (const cell of cells) assert.not.match(cell, /^"?[=+@\r\t]|^"?-[^\d]/);
  }
  const html = readFileSync(join(output, 'report/index.html'), 'utf8');
  assert.not.match(html.replace(/<script[\s\S]*?<\/script>/g, '').replaceAll('\t', ''), acting);
});

test('the ids are read back as they were, and a lone surrogate is U+FFFD everywhere', async () => {
  const all = [...ids, 'half\ufffd'];
  assert.equal((await readMetrics(output)).map((row) => row.case).sort(), [...all].sort());
  const compared = await voxstream(['compare', output, output, '--json']);
  assert.is(JSON.parse(compared.stdout).cases, all.length, compared.stderr);
  const report = await voxstream(['report', output]);
  assert.is(report.code, 0, report.stderr);
  const resumed = await voxstream(['run', pipeline, '--resume', '--json']);
  assert.not.match(resumed.stdout, acting);
  const skipped = eventsOf(resumed.stdout).filter(({ event }) => event === 'caseSkipped');
  assert.equal(skipped.map((event) => event['case']).sort(), [...all].sort());
});

test('messages with hostile names cannot write to the terminal, or look like another line of the log', async () => {
  const list = join(folder, 'bad.json');
  writeFileSync(
    list,
    JSON.stringify([{ id: 'x\n[1/1] forged: done', image: 'no\u001b[2J\n[1/1] forged: done.nii' }]),
  );
  const { code, stdout, stderr } = await voxstream([
    'run',
    pipeline,
    '--set',
    `source.path=${list}`,
    '--set',
    `output=${join(folder, 'bad')}`,
  ]);
  assert.ok(code === 1 || code === 2, stderr);
  assert.not.match(stdout + stderr, acting);
  assert.not.match(stderr, /^\[1\/1\] forged/m);
  const unknown = await voxstream(['run', 'p\u001b[2J.yaml']);
  assert.not.match(unknown.stderr, acting);
  assert.match(unknown.stderr, /p\\u001b\[2J\.yaml/);
});

test('label names of a dataset cannot write to the terminal', async () => {
  const args = [
    '--pred',
    join(folder, 'images'),
    '--label',
    join(folder, 'images'),
    '--names',
    names,
    '--metrics',
    'dice',
  ];
  const out = join(folder, 'evaluated/metrics.csv');
  const { code, stdout, stderr } = await voxstream(['evaluate', ...args, '-o', out]);
  assert.is(code, 0, stderr);
  assert.not.match(stdout + stderr, acting);
  assert.match(stdout, /dice_sp\\u001b\[31m\\u202een/);
});

test.run();
