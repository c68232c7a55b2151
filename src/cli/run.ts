import { join } from 'node:path';
import type { Command } from 'commander';
import { absolutePlace, joinPlace } from '../address.js';
import { OptionError } from '../errors.js';
import { maskOf } from '../mask.js';
import { summarize, summaryTable } from '../metrics/summary.js';
import type { RunEvent } from '../pipeline/events.js';
import { runtimeFor } from '../pipeline/openRun.js';
import { countFinished } from '../pipeline/outputFolder.js';
import { type RunResult, runPipeline } from '../pipeline/run.js';
import type { Pipeline } from '../pipeline/types.js';
import { showWholeSeconds } from '../report/text.js';
import type { Runtime } from '../runtime/runtime.js';
import { reportSink } from '../sinks/report.js';
import { summarySink } from '../sinks/summary.js';
import { logFile, logName } from './logFile.js';
import { addMetricsOption, type ObserverFlags, openObservers } from './observers.js';
import { addPipelineOptions, loadFromFlags, modelFoldersOf } from './pipelineOptions.js';
import { printText } from './print.js';
import { jsonProgress, lineProgress, type Progress, quietProgress } from './progress.js';
import { addShared, type SharedFlags } from './sharedOptions.js';
import { interruptedCode, stopOnSignal } from './stopOnSignal.js';
import { columnsOf } from './terminal.js';

export interface RunFlags extends SharedFlags, ObserverFlags {}

/** Exit codes: all cases succeeded, nothing was started, some cases failed, interrupted. */
const exitCodes = { ok: 0, notStarted: 1, someFailed: 2, interrupted: interruptedCode } as const;

/** Adds `voxstream run`, which streams a dataset through a pipeline. */
export function addRunCommand(program: Command): void {
  const command = addPipelineOptions(program.command('run'))
    .summary('stream a dataset through a pipeline')
    .description(
      'Streams the cases of a dataset through the steps of a pipeline. A failed case is logged in failures.csv, and the ' +
        'run continues. Results are in the output folder, with run.json and timings.csv.',
    );
  addShared(command, 'cases', 'shard', 'limit', 'resume', 'overwrite', 'strict', 'dryRun', 'full');
  addMetricsOption(addShared(command, 'json', 'quiet', 'verbose')).action(
    async (files: string[], _flags: RunFlags, command: Command) => {
      const pipeline = await loadFromFlags(files, command);
      const flags = command.opts<RunFlags>();
      process.exitCode = await run(pipeline, flags);
    },
  );
}

/** Prints what a run would do. With `--strict`, it fails where the run would. */
async function dryRun(pipeline: Pipeline, flags: RunFlags): Promise<void> {
  const { checkStrictly, planText } = await import('../pipeline/plan.js');
  const runtime = runtimeFor(pipeline, { modelFolders: modelFoldersOf(pipeline) });
  printText(await planText(pipeline, flags, runtime));
  if (flags.strict) await checkStrictly(pipeline, flags, runtime);
}

/**
 * Runs a pipeline with a progress display and returns the exit code. With `--dry-run`, it prints the plan.
 *
 * @throws OptionError if the output folder holds finished cases, unless a flag says what to do with them.
 */
export async function run(pipeline: Pipeline, flags: RunFlags): Promise<number> {
  if (flags.dryRun) {
    await dryRun(pipeline, flags);
    return exitCodes.ok;
  }
  await checkFinished(pipeline, flags);
  return runAnyway(pipeline, flags);
}

/** How a run is shown. */
export interface Shown {
  /** Where results go, for the user. Default: the output folder. */
  readonly output?: string;
  /** Returns what is printed at the end. */
  readonly closing?: (pipeline: Pipeline, result: RunResult, seconds: number, full?: boolean) => string;
}

async function checkFinished({ output, secrets }: Pipeline, { resume, overwrite }: RunFlags): Promise<void> {
  if (resume || overwrite) return;
  const size = await countFinished(output, secrets);
  if (size === 0) return;
  throw new OptionError(
    `${output} holds ${size} finished case(s) of an earlier run. Give --resume to skip those that are unchanged, ` +
      '--overwrite to run all of them again, or another output folder with -o.',
  );
}

/** Like `run`, in a folder that may hold finished cases, which are run again. */
export async function runAnyway(
  pipeline: Pipeline,
  flags: RunFlags,
  { output = pipeline.output, closing = closingText }: Shown = {},
): Promise<number> {
  const mask = maskOf(pipeline);
  const log = flags.verbose ? logFile(pipeline.output, mask) : undefined;
  const observers = await openObservers(flags);
  const runtime = runtimeFor(pipeline, {
    modelFolders: modelFoldersOf(pipeline),
    onWarning: (message) => progress.onEvent({ event: 'warning', message: mask(message) }),
  });
  const progress = await progressFor(flags, runtime);
  const stop = stopOnSignal(() =>
    progress.say(
      'Stopping: no new cases are started, and open ones are abandoned. Press Ctrl-C again to stop at once.',
    ),
  );
  const shownOutput = mask(flags.json ? absolutePlace(output) : output);
  const start = performance.now();
  const observed = { name: pipeline.name, traceparent: observers.traces?.runStarted(pipeline.name, 'run') };
  observers.watch(runtime);
  if (observers.url) progress.say(`Metrics: ${observers.url}`);
  try {
    const result = await runPipeline(pipeline, {
      ...flags,
      runtime,
      signal: stop.signal,
      onEvent: (event) => {
        log?.event(event);
        progress.onEvent(event.event === 'start' ? { ...event, output: shownOutput } : event);
        observers.onEvent(event, observed);
      },
      onFault: (caseId, error) => log?.fault(caseId, error),
    });
    progress.end();
    if (log) progress.say(`The log is ${join(pipeline.output, logName)}.`);
    if (!flags.json && !flags.quiet)
      printText(mask(closing(pipeline, result, (performance.now() - start) / 1000, flags.full)));
    if (result.interrupted) return exitCodes.interrupted;
    return result.failed + result.problems.length > 0 ? exitCodes.someFailed : exitCodes.ok;
  } finally {
    progress.end();
    stop.end();
    await observers.close();
    await runtime.close();
  }
}

async function progressFor({ json, quiet }: RunFlags, runtime: Runtime): Promise<Progress<RunEvent>> {
  if (json) return jsonProgress<RunEvent>(process.stdout, process.stderr);
  if (quiet) return quietProgress(process.stderr);
  if (!process.stderr.isTTY) return lineProgress(process.stderr);
  const { liveProgress } = await import('./liveProgress.js');
  return liveProgress(process.stderr, runtime);
}

function closingText(
  { output, sinks, runtime }: Pipeline,
  { done, failed, skipped, interrupted, problems, metrics }: RunResult,
  seconds: number,
  full = false,
): string {
  const parts = [`${done} case(s) done`];
  if (skipped > 0) parts.push(`${skipped} already finished`);
  if (failed > 0) parts.push(`${failed} failed (see ${joinPlace(output, 'failures.csv')})`);
  const lines = [`${parts.join(', ')} in ${showWholeSeconds(seconds)}; results are in ${output}`];
  if (problems.length > 0) {
    lines.push(
      `${problems.length} file(s) of the run could not be written (see above). --resume writes them.`,
    );
  }
  if (done > 0 && sinks.some(({ definition }) => definition === reportSink)) {
    const page = joinPlace(output, 'report', 'index.html');
    lines.push(`The report is ${page}`, `With a 3D view: voxstream report ${output} --open`);
  }
  if (interrupted) lines.push('Interrupted. --resume continues where this run stopped.');
  // The table uses the same rules as summary.json.
  const summary = sinks.find(({ definition }) => definition === summarySink)?.options;
  const table = summaryTable(
    summarize(metrics, { ...summary, seed: runtime.seed }),
    columnsOf(process.stdout),
    full,
  );
  return `${table && `${table}\n\n`}${lines.join('\n')}\n`;
}
