import type { Command } from 'commander';
import { modelsBeside } from '../models/findModel.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { loadPipeline } from '../pipeline/load.js';
import type { Pipeline } from '../pipeline/types.js';
import { applyArgsFile } from './args.js';
import { addShared, runtimeOverrides, type SharedFlags } from './sharedOptions.js';
import { runtimeDefaults } from './userConfig.js';

/** Adds the arguments and options of commands that take a pipeline. */
export function addPipelineOptions(command: Command): Command {
  return addShared(
    suggestSet(command).argument('<pipeline...>', 'pipeline files; later files are merged over earlier ones'),
    'input',
    'output',
    'set',
    'use',
    'args',
    'device',
    'inFlight',
    'memory',
    'workers',
    'showIdentifiers',
  );
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
    registry: await loadRegistry(command.opts<SharedFlags>().use ?? []),
    runtimeDefaults: runtimeDefaults(),
    ...(input !== undefined && { input }),
  });
}

/** What the flags and the `--args` file of a command override in its pipeline. */
export async function overridesFromFlags(
  command: Command,
): Promise<{ readonly set: readonly string[]; readonly input?: string }> {
  const { args } = command.opts<SharedFlags>();
  if (args) await applyArgsFile(command, args);
  const flags = command.opts<SharedFlags>();
  const set = [...(flags.set ?? []), ...runtimeOverrides(flags)];
  if (flags.output !== undefined) set.push(`output=${JSON.stringify(flags.output)}`);
  if (flags.showIdentifiers) set.push('source.showIdentifiers=true');
  return { set, ...(flags.input !== undefined && { input: flags.input }) };
}

/** Folders where models are looked up by name before the package's own: those of the pipeline files. */
export function modelFoldersOf(pipeline: Pipeline): string[] {
  return [...new Set(pipeline.files.map(modelsBeside))];
}
