import { resolve } from 'node:path';
import type { Command } from 'commander';
import { startTraces, tracesWanted } from '../observe/traces.js';
import { readPipelineText } from '../pipeline/document.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { loadPipelineTexts } from '../pipeline/load.js';
import { submit } from '../queue/submit.js';
import { addPipelineOptions, modelFoldersOf, overridesFromFlags } from './pipelineOptions.js';
import { printError, printText } from './print.js';
import { addQueueOption, onQueue, priority, type QueueFlags } from './queueOptions.js';
import { addShared, type SharedFlags } from './sharedOptions.js';
import { runtimeDefaults } from './userConfig.js';

interface SubmitFlags extends SharedFlags, QueueFlags {
  readonly name?: string;
  readonly priority: number;
}

/** Adds `voxstream submit`, which puts the cases of a dataset on a queue. */
export function addSubmitCommand(program: Command): void {
  const command = addQueueOption(addPipelineOptions(program.command('submit')))
    .summary('put the cases of a dataset on a queue')
    .description(
      'Puts the cases of a dataset on a queue (BullMQ on Redis or Valkey). "voxstream work" takes them, on any number ' +
        'of machines that see the dataset and the output folder under the same paths. See docs/scale.md.',
    )
    .option('--name <name>', 'the name of the run in the queue; default: the name of the pipeline')
    .option('--priority <n>', 'runs with a higher priority are worked on first', priority, 0);
  addShared(command, 'cases', 'limit', 'resume', 'overwrite', 'strict').action(
    async (files: string[], _flags: SubmitFlags, command: Command) => {
      const overrides = await overridesFromFlags(command);
      const flags = command.opts<SubmitFlags>();
      const texts = await Promise.all(
        files.map(async (file) => ({ name: resolve(file), text: await readPipelineText(file) })),
      );
      // From what is submitted, as the workers do.
      const pipeline = await loadPipelineTexts(texts, {
        ...overrides,
        registry: await loadRegistry(flags.use ?? []),
        runtimeDefaults: runtimeDefaults(),
      });
      const traces = tracesWanted() ? await startTraces() : undefined;
      const traceparent = traces?.runStarted(flags.name ?? pipeline.name, 'submit');
      const submission = {
        ...(traceparent && { traceparent }),
        ...flags,
        ...overrides,
        pipeline,
        files: texts,
        modelFolders: modelFoldersOf(pipeline),
        onWarning: (message: string) => printError(`Warning: ${message}\n`),
      };
      const { name, output, cases, skipped } = await onQueue(flags, (store) => submit(store, submission));
      await traces?.close();
      const earlier = skipped > 0 ? `, ${skipped} of them finished by an earlier run` : '';
      printText(`The run ${name} is on the queue: ${cases} case(s)${earlier}, into ${output}\n`);
    },
  );
}
