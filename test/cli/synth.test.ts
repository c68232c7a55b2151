import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addSynthCommand } from '#src/cli/synth.js';

const test = suite<{ folder: string }>('voxstream synth');

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'voxstream-cli-'));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

/** Runs the command and returns its stderr. Throws its errors. */
async function run(...args: string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  addSynthCommand(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  const { write } = process.stderr;
  let output = '';
  process.stderr.write = (chunk: string | Uint8Array) => {
    output += chunk;
    return true;
  };
  try {
    await program.parseAsync(['synth', ...args], { from: 'user' });
  } finally {
    process.stderr.write = write;
  }
  return output;
}

test('writes the requested cases, reports each one, and names the next command', async ({ folder }) => {
  const flags = ['--cases', '1', '--test', '1', '--seed', '4', '--size', '24,20,16', '--labels', 'organs'];
  const output = await run(folder, ...flags, '--spacing', '10,10,15');
  assert.match(output, 'synth_001 (1 of 2)\nsynth_002 (2 of 2)\n');
  assert.match(output, `Wrote 1 training and 1 test cases to ${folder}.\nNext: voxstream run `);
  const list = JSON.parse(readFileSync(join(folder, 'dataset.json'), 'utf8'));
  assert.equal(list.synth, { seed: 4, size: [24, 20, 16], spacing: [10, 10, 15], labels: 'organs' });
  assert.is(list.labels[2], 'liver');
});

test('rejects flags that are not numbers, or not three numbers', async ({ folder }) => {
  for (const [flag, value, message] of [
    ['--cases', 'many', /'--cases <n>' argument 'many' is invalid. It must be a number/],
    ['--size', '128,128', /'128,128' is invalid. It must be three numbers separated by commas/],
    ['--labels', 'liver', /Allowed choices are spleen, organs/],
  ] as const) {
    try {
      await run(folder, flag, value);
      assert.unreachable(`${flag} ${value} was accepted`);
    } catch (error) {
      assert.match((error as Error).message, message);
    }
  }
});

test.run();
