import { type Command, InvalidArgumentError, Option } from 'commander';
import { atOnce, bytesOrAuto, collect, commaList, override, positive, shard } from './args.js';

/** The values of the shared options, as commander gives them. */
export interface SharedFlags {
  readonly input?: string;
  readonly output?: string;
  readonly set?: readonly string[];
  readonly use?: readonly string[];
  readonly args?: string;
  readonly device?: string;
  readonly inFlight?: number;
  readonly memory?: string;
  readonly workers?: number;
  readonly showIdentifiers?: boolean;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly limit?: number;
  readonly cases?: readonly string[];
  readonly resume?: boolean | 'checksum';
  readonly overwrite?: boolean;
  readonly strict?: boolean;
  readonly dryRun?: boolean;
  readonly savePipeline?: string;
  readonly report?: boolean;
  readonly full?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

interface Shared {
  readonly flags: string;
  readonly description: string;
  readonly parse?: (value: string, earlier: never) => unknown;
  readonly conflicts?: readonly string[];
}

/** The options that several commands have, with the same meaning in each. */
const shared: Readonly<Record<keyof SharedFlags, Shared>> = {
  input: {
    flags: '--input <path>',
    description: "the dataset: the source's root, or its pattern of images",
  },
  output: { flags: '-o, --output <dir>', description: 'the folder for the results' },
  set: {
    flags: '--set <path=value>',
    description: 'override any value, e.g. --set inference.overlap=0.25 (repeatable)',
    parse: override,
  },
  use: {
    flags: '--use <package>',
    description:
      'an npm package or module file with additional operators, metrics, sources or sinks; its code is executed (repeatable)',
    parse: collect,
  },
  args: {
    flags: '--args <file>',
    description: 'read command-line options from a YAML or JSON file; flags on the command line override it',
  },
  device: {
    flags: '--device <device>',
    description: 'auto, cpu, cuda[:0,1], tensorrt[:0], webgpu, coreml or dml (default: auto)',
  },
  inFlight: {
    flags: '--in-flight <n>',
    description: 'cases processed at the same time (default: 3, more with many processors)',
    parse: atOnce,
  },
  memory: {
    flags: '--memory <size>',
    description: 'memory for all open cases, e.g. 4GiB (default: half of what the machine allows)',
    parse: bytesOrAuto,
  },
  workers: {
    flags: '--workers <n>',
    description: 'worker threads for voxels and files (default: by the number of processors)',
    parse: atOnce,
  },
  showIdentifiers: {
    flags: '--show-identifiers',
    description: 'begin the case ids of DICOM series with the PatientID',
  },
  shard: {
    flags: '--shard <i/n>',
    description: 'process only the i-th of n equal parts of the dataset',
    parse: shard,
  },
  limit: { flags: '--limit <n>', description: 'process at most this many cases', parse: positive },
  cases: {
    flags: '--cases <ids>',
    description: 'process only these cases, separated by commas',
    parse: commaList,
  },
  resume: {
    flags: '--resume [=checksum]',
    description:
      'skip the cases that an earlier run finished, unless the pipeline, the model or a file changed. Files are ' +
      'compared by size and time, with =checksum by their contents (give it from the first run on)',
    parse: resumeHow,
  },
  overwrite: {
    flags: '--overwrite',
    description: 'run all cases again, and replace files that no run in the output folder wrote',
  },
  strict: {
    flags: '--strict',
    description: 'refuse volumes that differ from what the card of a model states',
  },
  dryRun: { flags: '--dry-run', description: 'print the plan and stop' },
  savePipeline: {
    flags: '--save-pipeline <file>',
    description: 'write the pipeline that is run as YAML, for voxstream run',
  },
  report: {
    flags: '--report',
    description: 'also write an HTML report with pictures of each case',
  },
  full: {
    flags: '--full',
    description: 'print all statistics of all metrics and labels, not a matrix of means',
  },
  json: {
    flags: '--json',
    description: 'print events as JSON on stdout, one per line, instead of the progress display',
  },
  quiet: {
    flags: '--quiet',
    description: 'print only cases that fail',
    conflicts: ['json', 'verbose'],
  },
  verbose: {
    flags: '--verbose',
    description: 'write all events and the stacks of errors to .voxstream/run.log in the output folder',
  },
};

/**
 * A shared option.
 *
 * @param short Another name, e.g. `-q`.
 */
export function sharedOption(name: keyof SharedFlags, short?: string): Option {
  const { flags, description, parse, conflicts = [] } = shared[name];
  const option = new Option(short ? `${short}, ${flags}` : flags, description).conflicts([...conflicts]);
  return parse ? option.argParser(parse as (value: string, earlier: unknown) => unknown) : option;
}

/** Adds shared options to a command, in this order. */
export function addShared(command: Command, ...names: readonly (keyof SharedFlags)[]): Command {
  for (const name of names) {
    if (name === 'resume') attachResumeValue(command);
    command.addOption(sharedOption(name));
  }
  return command;
}

/** Makes `--resume` take a value only after an equals sign: the next word may be a pipeline file. */
function attachResumeValue(command: Command): void {
  const parseOptions = command.parseOptions.bind(command);
  command.parseOptions = (args) =>
    parseOptions(args.map((arg) => (arg === '--resume' ? '--resume=time' : arg)));
}

function resumeHow(value: string): true | 'checksum' {
  if (value === 'checksum') return value;
  if (value === 'time') return true;
  throw new InvalidArgumentError('It must be --resume or --resume=checksum.');
}

/** The options of a run's `runtime` block that were given. */
export function runtimeFlags(flags: SharedFlags): Readonly<Record<string, string | number>> {
  const given: Record<string, string | number> = {};
  for (const name of ['device', 'inFlight', 'memory', 'workers'] as const) {
    const value = flags[name];
    if (value !== undefined) given[name] = value;
  }
  return given;
}

/** The same as overrides, `runtime.NAME=VALUE`. */
export function runtimeOverrides(flags: SharedFlags): string[] {
  return Object.entries(runtimeFlags(flags)).map(
    ([name, value]) => `runtime.${name}=${JSON.stringify(value)}`,
  );
}
