import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyArgsFile, override } from '#src/cli/args.js';
import { addPipelineOptions } from '#src/cli/pipelineOptions.js';

const folder = mkdtempSync(join(tmpdir(), 'voxstream-args-'));
test.after(() => rmSync(folder, { recursive: true }));

/** The options from a command line and a file with this content. */
async function optionsOf(content: unknown, ...flags: string[]): Promise<Record<string, unknown>> {
  const file = join(folder, 'args.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  const command = addPipelineOptions(new Command())
    .option('--resume')
    .action(() => {});
  command.parse(['p.yaml', ...flags], { from: 'user' });
  await applyArgsFile(command, file);
  return command.opts();
}

async function refused(content: unknown, sentence: string): Promise<void> {
  const error = await optionsOf(content).then(
    () => assert.unreachable('the file was accepted'),
    (error) => error,
  );
  assert.is(error.name, 'OptionError');
  assert.is(error.message, `${join(folder, 'args.json')} (--args)${sentence}`);
}

test('options come from the file, and flags on the command line override them', async () => {
  const content = 'in-flight: 2\nworkers: 4\nresume: true\nset: { output: /out, vars: { a: 1 } }\n';
  assert.equal(await optionsOf(content, '--workers', '1', '--set', 'output=/other'), {
    inFlight: 2,
    workers: 1,
    resume: true,
    set: ['output="/out"', 'vars={"a":1}', 'output=/other'],
  });
});

test('a bad value is rejected with the value and what is expected', async () => {
  await refused({ inFlight: 0 }, ': inFlight is 0. It must be a whole number, 1 or more.');
  await refused({ memory: 'much' }, ': memory is "much". It must be a size, e.g. 4GiB, or auto.');
  await refused({ memory: 4 }, ': memory is 4. It must be at least 32.0 MiB (did you mean 4GiB?), or auto.');
  await refused({ workers: 5000 }, ': workers is 5000. It must be at most 1024.');
  await refused({ resume: 'yes' }, ': resume is "yes". It must be true or false.');
  await refused({ device: { a: 1 } }, ': device is { a: 1 }. It must be a text, a number or a list.');
  await refused({ set: 3 }, ': set must be a map of paths to values or a list of PATH=VALUE, but it is 3.');
  await refused({ inflight: 1 }, ': there is no option "inflight"; did you mean "inFlight"?');
  await refused([1], ' must contain a map of command-line options, but it is [1].');
});

test('--set without its value, and an unknown option, are answered with what to write', () => {
  assert.throws(() => override('dataset'), /It must be PATH=VALUE in one word, e\.g\. --set dataset=VALUE\./);
  assert.equal(override('b=2', ['a=1']), ['a=1', 'b=2']);
  let text = '';
  const command = addPipelineOptions(new Command()).exitOverride();
  command.configureOutput({ writeErr: (said) => (text += said) });
  assert.throws(() => command.parse(['p.yaml', '--dataset', 'x'], { from: 'user' }));
  assert.match(
    text,
    /unknown option '--dataset'\n\(values of the pipeline: --set dataset=VALUE, or --input PATH/,
  );
  text = '';
  assert.throws(() => command.parse(['p.yaml', '--outptu', 'x'], { from: 'user' }));
  assert.not.match(text, /--set/);
});

test.run();
