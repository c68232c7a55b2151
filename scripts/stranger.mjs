// The path of somebody who has never seen voxstream: from a clone to a report on their own images in three
// commands. Prints the processor time and the wall time of each, and fails without a report or with more than
// five minutes of processor time. Needs bash and git.
//
//   node scripts/stranger.mjs CTS                  the commands of the README; the model is downloaded
//   node scripts/stranger.mjs CTS --model MODEL    without a download: a model folder or a name
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const mostSeconds = 300;
const { positionals, values } = parseArgs({ allowPositionals: true, options: { model: { type: 'string' } } });
const [images] = positionals;
if (images === undefined) throw new Error('Name the folder with your images: node scripts/stranger.mjs CTS');
const model = values.model === undefined ? 'spleen_ct_segmentation' : values.model;
const given = existsSync(model) ? resolve(model) : model;

const folder = mkdtempSync(join(tmpdir(), 'voxstream-stranger-'));
const clone = join(folder, 'voxstream');
const environment = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Runs a command with bash, which also measures the processor time of its children. */
function timed(command, cwd) {
  const { status, stderr } = spawnSync('bash', ['-c', `TIMEFORMAT='%R %U %S'; time ${command}`], {
    ...{ cwd, env: environment, encoding: 'utf8', maxBuffer: 2 ** 28 },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) throw new Error(`${command} failed with the exit code ${status}:\n${stderr}`);
  const [wall, user, system] = stderr.trim().split('\n').at(-1).split(' ').map(Number);
  return { command, wall, processor: user + system };
}

try {
  const times = [
    timed(`git clone --quiet ${quote(resolve(import.meta.dirname, '..'))} ${quote(clone)}`, folder),
    timed('npm run setup', clone),
    ...(values.model === undefined ? [timed(`npx voxstream models pull ${model}`, clone)] : []),
    timed(
      `npx voxstream segment ${quote(resolve(images))} results/first --model ${quote(given)} --report`,
      clone,
    ),
  ];
  if (!existsSync(join(clone, 'results/first/report/index.html'))) throw new Error('There is no report.');
  const processor = times.reduce((sum, one) => sum + one.processor, 0);
  const wall = times.reduce((sum, one) => sum + one.wall, 0);
  for (const one of [...times, { command: 'together', processor, wall }]) {
    const seconds = [one.processor, one.wall].map((time) => `${time.toFixed(1).padStart(7)} s`).join('');
    console.log(`${seconds}  ${one.command}`);
  }
  if (processor > mostSeconds) throw new Error(`That took more than ${mostSeconds} s of processor time.`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
