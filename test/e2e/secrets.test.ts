import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { buildNifti } from '../formats/buildNifti.js';
import { eventsOf } from './faults.js';
import { temporaryFolder, voxstream } from './harness.js';

const secret = 's3cr3t-t0ken';
const folder = join(temporaryFolder(), secret);
await writeNifti(join(folder, 'a.nii'), makeVolume({ data: new Uint8Array(64), size: [4, 4, 4] }));
writeFileSync(join(folder, 'bad.nii'), 'not an image');
// In micrometres, which a note with the file's path says.
writeFileSync(join(folder, 'noted.nii'), buildNifti({ units: 3 }));

/** The files of a folder that contain the token. */
function leaks(output: string): string[] {
  const files = readdirSync(output, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  return paths.filter((path) => readFileSync(path, 'latin1').includes(secret));
}

/** A pipeline whose source and variables hold the token. */
function pipelineWith(output: string, extra: object = {}): string {
  const file = join(temporaryFolder(), 'p.json');
  const content = {
    output,
    vars: { token: '${env.TEST_TOKEN}', short: '${env.TEST_SHORT}' },
    source: { glob: { image: join(folder, '..', '${token}', '*.nii') } },
    steps: ['load'],
    sinks: ['metricsCsv', 'summary', 'report'],
    ...extra,
  };
  writeFileSync(file, JSON.stringify(content));
  return file;
}

const env = { TEST_TOKEN: secret, TEST_SHORT: '3' };

test('values of environment variables are hidden in run.json, failures, the report and events', async () => {
  const output = join(temporaryFolder(), 'out');
  const file = pipelineWith(output);
  const { code, stdout, stderr } = await voxstream(['run', file, '--json'], env);
  assert.is(code, 2, stderr);
  assert.not.match(stdout, secret);
  assert.not.match(stderr, secret);
  assert.equal(leaks(output), []);
  const { notes } = JSON.parse(readFileSync(join(output, 'summary.json'), 'utf8'));
  assert.match(notes.noted[0], /\$\{env\.TEST_TOKEN\}\/noted\.nii is in micrometres/);
  const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  assert.equal(run.pipeline.vars, { token: '${env.TEST_TOKEN}', short: '3' });
  const failed = eventsOf(stdout).find(({ event }) => event === 'caseFailed');
  assert.match(String(failed?.['message']), /\$\{env\.TEST_TOKEN\}\/bad\.nii/);
  const validated = await voxstream(['validate', file], env);
  assert.not.match(validated.stdout, secret);
  assert.ok(readdirSync(output).includes('metrics.csv'));
});

test('--resume notices a changed value all the same', async () => {
  const output = join(temporaryFolder(), 'out');
  const extra = { sinks: [{ nifti: { keys: 'image', postfix: '${env.TEST_POSTFIX}' } }] };
  const file = pipelineWith(output, extra);
  await voxstream(['run', file], { ...env, TEST_POSTFIX: 'first' });
  const same = await voxstream(['run', file, '--resume', '--json'], { ...env, TEST_POSTFIX: 'first' });
  assert.ok(eventsOf(same.stdout).some(({ event }) => event === 'caseSkipped'));
  const other = await voxstream(['run', file, '--resume', '--json'], { ...env, TEST_POSTFIX: 'second' });
  const reasons = eventsOf(other.stdout).flatMap(({ event, reason }) =>
    event === 'caseStart' ? [reason] : [],
  );
  assert.ok(reasons.includes('the pipeline or its model changed'), String(reasons));
});

test('--resume finds the files of masked paths, and adds nothing that shows them', async () => {
  const output = join(temporaryFolder(), 'out');
  const file = pipelineWith(output, { sinks: [{ nifti: { keys: 'image' } }, 'summary', 'report'] });
  await voxstream(['run', file], env);
  const again = await voxstream(['run', file, '--resume', '--json'], env);
  const skipped = eventsOf(again.stdout).filter(({ event }) => event === 'caseSkipped');
  assert.equal(skipped.map((event) => event['case']).sort(), ['a', 'noted'], again.stderr);
  assert.equal(leaks(output), []);
});

test('the error that ends a command, its plan and its closing words hide the values, too', async () => {
  const output = join(temporaryFolder(), 'out');
  const file = pipelineWith(output);
  const attempts = [
    ['run', file, '--set', 'source={decathlon: {root: "/nowhere/${token}"}}'],
    ['run', file, '--dry-run', '--set', 'source={decathlon: {root: "/nowhere/${token}"}}'],
    ['run', file, '--set', 'output=/proc/${token}'],
    ['validate', pipelineWith(output, { sinks: [{ nifti: { keys: 'image', postfix: '/${token}' } }] })],
    ['train', file, '--set', 'train={network: {UNet: {}}, epochs: "${token}"}'],
  ];
  for (const args of attempts) {
    const { code, stdout, stderr } = await voxstream(args, env);
    assert.is(code, 1);
    assert.not.match(stdout + stderr, secret, args.join(' '));
    assert.match(stderr, /\$\{env\.TEST_TOKEN\}/, args.join(' '));
  }
  const inside = join(temporaryFolder(), '${token}');
  for (const more of [['--dry-run'], []]) {
    const { stdout, stderr } = await voxstream(['run', file, '--set', `output=${inside}`, ...more], env);
    assert.match(stdout, /\$\{env\.TEST_TOKEN\}/, stderr);
    assert.not.match(stdout + stderr, secret);
  }
});

test('report finds what a run has hidden, as long as the variables are set, and shows none of it', async () => {
  const output = join(temporaryFolder(), 'out');
  const sinks = [{ metricsCsv: { path: '${token}.csv' } }, { report: { dir: '${token}/report' } }];
  await voxstream(['run', pipelineWith(output, { sinks })], env);
  const index = join(output, secret, 'report/index.html');
  rmSync(index);
  rmSync(join(output, secret, 'report/cases/a/axial.png'));
  const unset = await voxstream(['report', output]);
  assert.is(unset.code, 1);
  assert.match(
    unset.stderr,
    /report\.dir is "\$\{env\.TEST_TOKEN\}\/report", which hides the value of .* Set TEST_TOKEN to the value/,
  );
  const made = await voxstream(['report', output], env);
  assert.is(made.code, 0, made.stderr);
  assert.match(made.stdout, /2 case\(s\), 1 failed, pictures drawn of 1/);
  assert.ok(existsSync(index));
  assert.equal(
    leaks(output).map((path) => basename(path)),
    ['targets.json'],
    'a list of names of files',
  );
  // The files of somebody else's run may name variables, too.
  const journal = join(output, '.voxstream/journal.jsonl');
  const lines = readFileSync(journal, 'utf8').replaceAll(
    /\$\{env\.TEST_TOKEN\}\/a\.nii/g,
    '${env.TEST_OTHER}',
  );
  writeFileSync(journal, lines);
  rmSync(join(output, secret, 'report/cases/a/axial.png'));
  const hostile = await voxstream(['report', output], { ...env, TEST_OTHER: 'another-s3cr3t' });
  assert.not.match(hostile.stdout + hostile.stderr + readFileSync(index, 'utf8'), 'another-s3cr3t');
});

test("report writes only inside the run's folder, whatever run.json says", async () => {
  const output = join(temporaryFolder(), 'out');
  await voxstream(['run', pipelineWith(output)], env);
  const run = readFileSync(join(output, 'run.json'), 'utf8');
  const outside = join(temporaryFolder(), 'place');
  for (const dir of ['../place', outside]) {
    const record = JSON.parse(run);
    record.pipeline.sinks = [{ report: { dir } }];
    writeFileSync(join(output, 'run.json'), JSON.stringify(record));
    const { code, stderr } = await voxstream(['report', output], env);
    assert.is(code, 1);
    assert.match(stderr, /run\.json: report\.dir is ".*place", which is outside the run's folder/);
  }
  assert.not.ok(existsSync(outside));
  assert.not.ok(existsSync(join(output, '../place')));
});

test('publicEnv shows the values of variables that are not secret', async () => {
  const output = join(temporaryFolder(), 'out');
  const file = pipelineWith(output, { publicEnv: ['TEST_TOKEN'] });
  await voxstream(['run', file], env);
  const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  assert.is(run.pipeline.vars.token, secret);
  const wrong = await voxstream(['validate', pipelineWith(output, { publicEnv: 'TEST_TOKEN' })], env);
  assert.match(
    wrong.stderr,
    /publicEnv must be a list of names of environment variables, but it is "TEST_TOKEN"/,
  );
});

test.run();
