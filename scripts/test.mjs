// Compiles the tests and runs them: `npm test`, or `npm test -- onnx` for the test files whose path contains
// "onnx".
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';

rmSync('build/test', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json'], {
  stdio: 'inherit',
});
const args = ['scripts/testFiles.mjs', 'build/test', ...process.argv.slice(2)];
process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
