// Compiles the tests and fuzzes the parsers: `npm run fuzz -- --minutes 10`. See test/fuzz/run.ts.
import { execFileSync, spawnSync } from 'node:child_process';

const node = (...args) => spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
execFileSync('npm', ['run', '-s', 'build'], { stdio: 'inherit' });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json'], {
  stdio: 'inherit',
});
process.exitCode = node('build/test/fuzz/run.js', ...process.argv.slice(2));
