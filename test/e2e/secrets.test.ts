import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { eventsOf } from './faults.js';
import { temporaryFolder, voxstream } from './harness.js';

const secret = 's3cr3t-t0ken';
const folder = join(temporaryFolder(), secret);
await writeNifti(join(folder, 'a.nii'), makeVolume({ data: new Uint8Array(64), size: [4, 4, 4] }));
writeFileSync(join(folder, 'bad.nii'), 'not an image');

/** A pipeline whose source and variables hold the token. */
function pipelineWith(output: string, extra: object = {}): string {
  const file = join(temporaryFolder(), 'p.json');
  const content = {
    output,
    vars: { token: '${env.TEST_TOKEN}', short: '${env.TEST_SHORT}' },
    source: { glob: { image: join(folder, '..', '${token}', '*.nii') } },
    steps: ['load'],
    sinks: ['metricsCsv', 'report'],
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
  for (const name of ['run.json', 'failures.csv', 'report/index.html']) {
    assert.not.match(readFileSync(join(output, name), 'utf8'), secret, name);
  }
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
