// Shared by the benchmarks of whole processes: running a process while watching its peak memory, and printing
// tables.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The folder next to the checkout with the reference, its model and real CTs. */
export const shared = fileURLToPath(new URL('../../shared/', import.meta.url));

const cli = fileURLToPath(new URL('../dist/cli/index.js', import.meta.url));

/**
 * Runs a program to its end. Returns its output, seconds of wall and processor time, and its peak memory in
 * MiB: VmHWM from /proc, which only grows, so polling is enough. `onLine` receives each line with the seconds
 * since the start. Other exit codes than `codes` are an error.
 */
export function runWatched(command, args, { env = {}, onLine = () => {}, codes = [0] } = {}) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let peak = 0;
    let cpu = 0;
    const watch = setInterval(() => {
      peak = memoryOf(child.pid, 'VmHWM') ?? peak;
      cpu = processorTime(child.pid) ?? cpu;
    }, 10);
    let errors = '';
    let rest = '';
    const lines = [];
    child.stdout.on('data', (chunk) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop();
      for (const line of parts) {
        lines.push(line);
        onLine(line, (performance.now() - start) / 1000, child.pid);
      }
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(watch);
      if (codes.includes(code)) resolve({ lines, seconds: (performance.now() - start) / 1000, peak, cpu });
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${errors}`));
    });
  });
}

/** The seconds of processor time of a process so far, from /proc; undefined after it has ended. */
function processorTime(pid) {
  try {
    const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    const fields = rest.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

/** A memory value of a process in MiB, from /proc; undefined after it has ended. */
export function memoryOf(pid, name) {
  try {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found ? Number(found[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Runs the spleen pipeline of this repository on a list of images through the command line. Returns its
 * events.
 */
export async function voxstream(
  images,
  { model, output, cache, device = 'cpu', more = [], onEvent = () => {} },
) {
  const pipeline = fileURLToPath(new URL('../pipelines/spleen-inference.yaml', import.meta.url));
  const items = images.map(({ id, file }) => ({ id, image: file }));
  const settings = [
    `source=${JSON.stringify({ datalist: { items } })}`,
    `model=${JSON.stringify(model)}`,
    `output=${JSON.stringify(output)}`,
  ];
  const events = [];
  const result = await runWatched(
    process.execPath,
    [
      cli,
      'run',
      pipeline,
      '--device',
      device,
      '--json',
      '--overwrite',
      ...more,
      ...settings.flatMap((one) => ['--set', one]),
    ],
    {
      env: { XDG_CACHE_HOME: cache },
      onLine: (line, seconds, pid) => {
        const event = { ...JSON.parse(line), at: seconds };
        events.push(event);
        onEvent(event, pid);
      },
    },
  );
  return { ...result, events };
}

export const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** The machine and versions that the numbers were measured on. */
export function machine() {
  return `${cpus()[0].model}, ${cpus().length} processors, Node ${process.version}`;
}

/** A Markdown table from rows of cells. The first row is the header. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  const line = (row) => `| ${row.map((cell, column) => String(cell).padEnd(widths[column])).join(' | ')} |`;
  return [line(rows[0]), line(widths.map((width) => '-'.repeat(width))), ...rows.slice(1).map(line)].join(
    '\n',
  );
}
