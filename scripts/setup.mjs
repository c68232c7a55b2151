// Makes a fresh clone ready: installs the dependencies when they are missing or older than the lock file,
// then builds.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, statSync } from 'node:fs';

const installed = 'node_modules/.package-lock.json';
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const run = (...args) => execFileSync(npm, args, { stdio: 'inherit' });

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync('package-lock.json').mtimeMs) run('ci');
rmSync('dist', { recursive: true, force: true });
run('run', '--silent', 'build');
