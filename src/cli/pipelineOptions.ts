import type { Command } from 'commander';
import { modelsBeside } from '../models/findModel.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { loadPipeline } from '../pipeline/load.js';
import type { Pipeline } from '../pipeline/types.js';
import { applyArgsFile, bytesOrAuto, collect, override, positive } from './args.js';
import { runtimeDefaults } from './userConfig.js';

/** Flags shared by all commands that take a pipeline. */
export interface PipelineFlags {
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
}

/** The help text of `--use`. */
export const useHelp =
  'an npm package or module file with additional operators, metrics, sources or sinks; its code is executed (repeatable)';

/** Adds the arguments and options of commands that take a pipeline. */
export function addPipelineOptions(command: Command): Command {
  return suggestSet(command)
    .argument('<pipeline...>', 'pipeline files; later files are merged over earlier ones')
    .option('--input <path>', "the dataset: the source's root, or its pattern of images")
    .option('-o, --output <dir>', 'the folder for the results')
    .option(
      '--set <path=value>',
      'override any value, e.g. --set dataset=/data/Task09_Spleen (repeatable)',
      override,
    )
    .option('--use <package>', useHelp, collect)
    .option(
      '--args <file>',
      'read command-line options from a YAML or JSON file; flags on the command line override it',
    )
    .option('--device <device>', 'auto, cpu, cuda[:0,1], tensorrt[:0], webgpu, coreml or dml')
    .option('--in-flight <n>', 'cases processed at the same time', positive)
    .option('--memory <size>', 'memory for all open cases, e.g. 4GiB', bytesOrAuto)
    .option('--workers <n>', 'worker threads for voxels and files', positive)
    .option('--show-identifiers', 'begin the case ids of DICOM series with the PatientID');
}

/** Errors about an unknown option, e.g. `--dataset`, say that `--set` changes the values of a pipeline. */
export function suggestSet(command: Command): Command {
  return command.configureOutput({
    outputError(text, write) {
      const name = /unknown option '--([\w.-]+)/.exec(text)?.[1];
      const meant = name && !text.includes('Did you mean');
      write(
        meant
          ? `${text}(values of the pipeline: --set ${name}=VALUE, or --input PATH for its dataset)\n`
          : text,
      );
    },
  });
}

/**
 * Loads the pipeline given to a command, with its flags and `--args` file applied. `more` contains further
 * overrides.
 */
export async function loadFromFlags(
  files: readonly string[],
  command: Command,
  more: readonly string[] = [],
): Promise<Pipeline> {
  const { set, input } = await overridesFromFlags(command);
  return loadPipeline(files, {
    set: [...set, ...more],
    registry: await loadRegistry(command.opts<PipelineFlags>().use ?? []),
    runtimeDefaults: runtimeDefaults(),
    ...(input !== undefined && { input }),
  });
}

/** What the flags and the `--args` file of a command override in its pipeline. */
export async function overridesFromFlags(
  command: Command,
): Promise<{ readonly set: readonly string[]; readonly input?: string }> {
  const { args } = command.opts<PipelineFlags>();
  if (args) await applyArgsFile(command, args);
  const flags = command.opts<PipelineFlags>();
  const set = [...(flags.set ?? [])];
  for (const name of ['device', 'inFlight', 'memory', 'workers'] as const) {
    if (flags[name] !== undefined) set.push(`runtime.${name}=${JSON.stringify(flags[name])}`);
  }
  if (flags.output !== undefined) set.push(`output=${JSON.stringify(flags.output)}`);
  if (flags.showIdentifiers) set.push('source.showIdentifiers=true');
  return { set, ...(flags.input !== undefined && { input: flags.input }) };
}

/** Folders where models are looked up by name before the package's own: those of the pipeline files. */
export function modelFoldersOf(pipeline: Pipeline): string[] {
  return [...new Set(pipeline.files.map(modelsBeside))];
}
