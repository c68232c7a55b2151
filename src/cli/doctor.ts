import type { Command } from 'commander';
import { listNames, showBytes } from '../errors.js';
import { memoryBudget } from '../pipeline/memory.js';
import { type Examination, examine } from '../runtime/doctor.js';
import type { ProviderTest } from '../runtime/testProvider.js';
import { version } from '../version.js';
import { note } from './clip.js';
import { fieldLines, painter, shortPath } from './terminal.js';

/** `voxstream doctor`: examines this machine. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('examine this machine: devices, memory, what is missing')
    .description(
      "Examines Node.js, processors, memory and the cache folder, and tests each of ONNX Runtime's " +
        'providers by running a small model on it. Shows which device "--device auto" chooses and why, ' +
        'which threads a run starts, and how to install what is missing. The exit code is 1 if models ' +
        'cannot be run at all.',
    )
    .option('--json', 'print as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      note('Testing the providers …');
      const found = await examine().finally(() => note(''));
      process.stdout.write(
        json ? `${JSON.stringify({ version, ...found }, null, 2)}\n` : `${doctorText(found)}\n`,
      );
      if (!found.node.enough || !found.onnxRuntime.providers[0].ok) process.exitCode = 1;
    });
}

function doctorText(found: Examination): string {
  const { node, processors, memory, cache, gpus, onnxRuntime, auto, threads } = found;
  const paint = painter(process.stdout);
  const budget = memoryBudget({ runtime: { memory: 'auto' } });
  const sections: [string, [string, string][]][] = [
    [
      `voxstream ${version} on this machine`,
      [
        ['Node.js', node.enough ? node.version : `${node.version}, but 20.15, 22.2 or newer is needed`],
        ['system', found.system],
        ['processors', processorText(processors)],
        [
          'memory',
          `${showBytes(memory.machine)}, ${showBytes(memory.free)} of it free${
            memory.groupLimit ? `; the control group allows ${showBytes(memory.groupLimit)}` : ''
          }`,
        ],
        [
          'GPUs',
          gpus.map(({ name, file }) => (file ? `${name} (${file})` : name)).join(', ') || 'none found',
        ],
        [
          'cache',
          cache.fault
            ? `${cache.folder} cannot be written: ${cache.fault}`
            : `${shortPath(cache.folder)}, ${showBytes(cache.free ?? 0)} free`,
        ],
      ],
    ],
    [
      `ONNX Runtime ${onnxRuntime.version}, each provider tested by running a model on it`,
      onnxRuntime.providers.map((result) => [result.provider, testText(result)]),
    ],
    [
      'Defaults of a run',
      [
        ['device', `${auto.device}${auto.reason ? `: ${auto.reason}` : ''}`],
        ['threads', threadText(threads)],
        [
          'memory',
          `${showBytes(budget)} for the cases in progress, half of the usable memory (change it with ` +
            '--memory)',
        ],
      ],
    ],
    ['What is missing, and how to get it', advice(found)],
  ];
  return sections
    .filter(([, fields]) => fields.length > 0)
    .map(([title, fields]) => [paint('bold', title), ...fieldLines(fields).map(colored(paint))].join('\n'))
    .join('\n\n');
}

function processorText({
  model,
  machine,
  bound,
  used,
  groupLimit,
  channelBlock,
}: Examination['processors']): string {
  const parts = [used === machine ? `${used} x ${model}` : `${used} of ${machine} x ${model}`];
  if (bound < machine) parts.push(`this process is bound to ${bound}`);
  if (groupLimit !== undefined)
    parts.push(`the control group allows the time of ${Number(groupLimit.toFixed(2))} processors`);
  if (channelBlock !== undefined) {
    parts.push(
      channelBlock > 1 ? `convolutions in blocks of ${channelBlock} channels` : 'no fast convolutions',
    );
  }
  return parts.join('; ');
}

function testText(result: ProviderTest): string {
  if (!result.ok) return `fails: ${result.why}`;
  const { load, run } = result.seconds;
  const where = result.software
    ? ' in software, slower than cpu'
    : result.gpus.length > 0
      ? ` on ${listNames(result.gpus)}`
      : '';
  return `works${where} (loaded in ${milliseconds(load)}, first run ${milliseconds(run)})`;
}

function milliseconds(seconds: number): string {
  return seconds < 0.01 ? `${(seconds * 1000).toFixed(1)} ms` : `${Math.round(seconds * 1000)} ms`;
}

function threadText({ sessions, perSession, workers }: Examination['threads']): string {
  const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
  return (
    `${counted(sessions, 'session')} of ${counted(perSession, 'thread')} for models, ` +
    `${counted(workers, 'worker')} for voxels and files (change it with --workers)`
  );
}

/** Each piece of advice once, with the names of what it is for. */
function advice({ node, cache, memory, onnxRuntime }: Examination): [string, string][] {
  const sentences = new Map<string, string[]>();
  for (const result of onnxRuntime.providers) {
    for (const text of result.ok ? [] : result.advice)
      sentences.set(text, [...(sentences.get(text) ?? []), result.provider]);
  }
  const lines: [string, string][] = Array.from(sentences, ([text, names]) => [names.join(', '), text]);
  if (!node.enough) lines.unshift(['Node.js', 'Install version 20.15, 22.2 or newer: https://nodejs.org']);
  if (cache.fault) {
    lines.push([
      'cache',
      'Choose a folder that can be written: export XDG_CACHE_HOME=/path. Until then, models are rewritten ' +
        'for each run.',
    ]);
  }
  if (memory.usable < 4 * 2 ** 30) {
    lines.push(['memory', 'Less than 4 GiB: run one case at a time with --in-flight 1.']);
  }
  return lines;
}

/** Colors what works green and what fails yellow. */
function colored(paint: ReturnType<typeof painter>): (line: string) => string {
  return (line) =>
    line.replace(
      /^( {2}\w+ +)(works|fails)\b/,
      (_, name, word) => `${name}${paint(word === 'works' ? 'green' : 'yellow', word)}`,
    );
}
