import { spawn } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { synthDataset } from '#src/synth/dataset.js';
import { TestScreen } from '../cli/screen.js';
import { linux, program, testNeeding } from '../needs.js';
import { cli, temporaryFolder } from './harness.js';

// The command line in a real terminal of 80 columns.

const needs = [linux, program('script', 'bsdutils'), program('stty', 'coreutils')];
const folder = temporaryFolder();
const data = join(folder, 'data');
await synthDataset(data, { cases: 2, testCases: 0, seed: 2, size: [48, 48, 32], labels: 'spleen' });
const images = join(folder, 'images');
mkdirSync(images);
const longName = `patient_with_a_very_long_identifier_${'x'.repeat(60)}`;
renameSync(join(data, 'imagesTr/synth_001.nii.gz'), join(images, `${longName}.nii.gz`));
renameSync(join(data, 'imagesTr/synth_002.nii.gz'), join(images, 'b.nii.gz'));

const controlStart = String.fromCharCode(27);

interface Seen {
  readonly code: number | null;
  /** The screen at the end. */
  readonly text: string;
  /** Every line that was on the screen at some time. */
  readonly lines: readonly string[];
}

/**
 * Runs the command line in a pseudo-terminal.
 *
 * @param onScreen Called with the screen after each output; its result is typed at the keyboard.
 */
async function inTerminal(
  args: readonly string[],
  onScreen: (text: string) => string | undefined = () => undefined,
): Promise<Seen> {
  const quoted = [process.execPath, cli, ...args].map((arg) => `'${arg}'`).join(' ');
  const { NO_COLOR: _, ...env } = process.env;
  const child = spawn('script', ['-qec', `stty cols 80 rows 24; exec ${quoted}`, '/dev/null'], {
    cwd: folder,
    env: { ...env, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const screen = new TestScreen(80);
  const lines = new Set<string>();
  let typed = false;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    // A control sequence may be cut by the end of a chunk.
    const text = rest + chunk;
    const start = text.lastIndexOf(controlStart);
    const end = start < 0 || /[A-Za-z]/.test(text.slice(start)) ? text.length : start;
    rest = text.slice(end);
    screen.write(text.slice(0, end));
    for (const line of screen.text.split('\n')) lines.add(line);
    const keys = typed ? undefined : onScreen(screen.text);
    if (keys === undefined) return;
    typed = true;
    child.stdin.write(keys);
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  return { code, text: screen.text, lines: [...lines] };
}

testNeeding(needs, 'a run shows its cases, their windows and the time left in 80 columns', async () => {
  const args = [
    'segment',
    images,
    'out',
    '--model',
    'spleen_phantom',
    '--device',
    'cpu:1',
    '--in-flight',
    '2',
  ];
  const { code, text, lines } = await inTerminal([...args, '--set', 'inference.overlap=0.65']);
  assert.is(code, 0, text);
  const all = lines.join('\n');
  assert.match(all, /^[█░]+ \d\/2 .*\d s/m);
  assert.match(all, /^ {2}inference: \d+ of \d+ windows.* (b|patient_with_a.*…)$/m);
  // Lines that change are never wrapped, because only whole lines can be removed.
  assert.not.match(all, /^x+…?$/m);
  assert.match(text, /2 case\(s\) done in .*; results are in out/);
  assert.not.match(text, /windows|cases\/min/, 'what changes is removed at the end');
});

testNeeding(needs, 'Ctrl-C stops a run and leaves a clean screen', async () => {
  const args = ['segment', images, 'stopped', '--model', 'spleen_phantom', '--device', 'cpu:1'];
  const { code, text } = await inTerminal([...args, '--set', 'inference.overlap=0.8'], (seen) =>
    /\d+ of \d+ windows/.test(seen) ? '\u0003' : undefined,
  );
  assert.is(code, 130, text);
  assert.match(text, /Stopping: no new cases are started/);
  assert.match(text, /Interrupted\. --resume continues where this run stopped\.$/);
  assert.not.match(text, /windows/);
});

testNeeding(needs, 'errors and help fit 80 columns', async () => {
  writeFileSync(join(folder, 'bad.yaml'), 'source:\n  glob:\n    image: *.nii.gz\nsteps: [load]\n');
  const bad = await inTerminal(['run', 'bad.yaml']);
  assert.is(bad.code, 1);
  assert.match(bad.text.replaceAll('\n', ''), /bad\.yaml:3: a value that begins with \* must be in quotes/);
  const help = await inTerminal(['run', '--help']);
  assert.is(help.code, 0);
  const lines = help.text.split('\n');
  assert.match(lines[0], /^Usage: voxstream run /);
  // What the terminal itself wraps begins in the first column, as only headings do behind the description.
  const behind = lines.slice(lines.indexOf('Arguments:'));
  assert.equal(
    behind.filter((line) => /^\S/.test(line)),
    ['Arguments:', 'Options:'],
  );
});

test.run();
