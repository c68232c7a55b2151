import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { linux, testNeeding } from '../needs.js';
import { actAtEvents } from './actAtEvents.js';
import { evaluateArgs, phantoms } from './faults.js';
import { type Ended, root, start, temporaryFolder } from './harness.js';

const never = join(temporaryFolder(), 'never');

/** Ends a process that does not end by itself; its signal is then SIGKILL. */
async function endedOrKilled({ child, ended }: ReturnType<typeof start>): Promise<Ended> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 300_000);
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Starts a command that is interrupted at an event, and whose main thread then blocks for ever at its end.
 */
async function interruptTwice(args: string[], at: Record<string, unknown>, second: NodeJS.Signals) {
  const running = start(
    [...args, '--json'],
    actAtEvents([
      { at, signal: 'SIGINT' },
      { at: { event: 'end' }, waitFor: never },
    ]),
  );
  let told = '';
  running.child.stdout.on('data', (chunk) => {
    told += chunk;
    if (told.includes('"event":"end"')) running.child.kill(second);
  });
  return endedOrKilled(running);
}

test('a second signal ends run, also while its main thread is blocked', async () => {
  const dataset = await phantoms(2);
  for (const second of ['SIGINT', 'SIGTERM'] as const) {
    const args = evaluateArgs(dataset, join(temporaryFolder(), 'out'));
    const { signal, stderr } = await interruptTwice(args, { event: 'step' }, second);
    assert.is(signal, second, stderr);
  }
});

test('a second signal ends evaluate, also while its main thread is blocked', async () => {
  const dataset = await phantoms(2);
  const labels = join(dataset, 'labelsTr');
  const output = join(temporaryFolder(), 'out/metrics.csv');
  const args = ['evaluate', '--pred', labels, '--label', labels, '--metrics', 'dice', '-o', output];
  const { signal, stderr } = await interruptTwice(args, { event: 'step' }, 'SIGTERM');
  assert.is(signal, 'SIGTERM', stderr);
});

test('a second signal ends train, also while its main thread is blocked', async () => {
  const dataset = await phantoms(2);
  const file = join(temporaryFolder(), 'train.yaml');
  writeFileSync(
    file,
    `source: { decathlon: { root: '${dataset}', split: train, validation: 0 } }
steps: [load, { randCropByPosNegLabel: { spatialSize: 16, numSamples: 1, imageKey: image } }]
train:
  network: { UNet: { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2] } }
  loss: { diceCE: { softmax: true } }
  optimizer: { adam: { learningRate: 0.01 } }
  epochs: 2
runtime: { device: cpu }
output: '${join(temporaryFolder(), 'out')}'
`,
  );
  const { signal, stderr } = await interruptTwice(['train', file], { event: 'step' }, 'SIGTERM');
  assert.is(signal, 'SIGTERM', stderr);
});

testNeeding(
  linux,
  'folders that /proc does not allow are refused at once, as output and as cache',
  async () => {
    const dataset = await phantoms(1);
    const output = await endedOrKilled(start(evaluateArgs(dataset, '/proc/none/out')));
    assert.is(output.code, 1, output.stderr);
    assert.match(
      output.stderr,
      /The folder \/proc\/none cannot be created: the file system of \/proc does not allow it\. Choose another folder/,
    );
    const env = {
      XDG_CACHE_HOME: '/proc/none',
      VOXSTREAM_CACHE: '',
      NODE_COMPILE_CACHE: undefined,
      TMPDIR: temporaryFolder(),
    };
    const args = evaluateArgs(dataset, join(temporaryFolder(), 'out'));
    const run = await endedOrKilled(start(args, env));
    // Models can be rewritten without a cache.
    assert.is(run.code, 0, run.stderr);
    const doctor = await endedOrKilled(start(['doctor', '--json'], env, root));
    assert.match(JSON.parse(doctor.stdout).cache.fault, /The folder \/proc\/none cannot be created/);
  },
);

test.run();
