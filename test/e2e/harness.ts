import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';

/** The project's root: tests are built into build/test. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Files that tests read. */
export const fixtures = join(root, 'test/fixtures');
/**
 * A fast model without training, made by scripts/makeBandModel.mjs: 3D convolutions that look for the
 * spleen's HU.
 */
export const bandModel = join(fixtures, 'models/spleen_band');
export const cli = join(root, 'dist/cli/index.js');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real command line and waits for its end. */
export function voxstream(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = root): Promise<Ended> {
  return start(args, env, cwd).ended;
}

/** Starts the real command line. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = root) {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise<Ended>((done) => {
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

const folders: string[] = [];
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new folder that is removed when the test process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'voxstream-test-'));
  folders.push(folder);
  return folder;
}

/** A CSV file's rows as maps. */
export function readCsv(file: string): Record<string, string>[] {
  return parse(readFileSync(file), { columns: true });
}
