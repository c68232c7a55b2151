import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  from,
  fromEvent,
  lastValueFrom,
  mergeMap,
  type Observable,
  type OperatorFunction,
  of,
  takeUntil,
  tap,
  throwError,
} from 'rxjs';
import type { Case } from '../case.js';
import { messageOf, OptionError, VoxError } from '../errors.js';
import { writeFault } from '../formats/aside.js';
import { removePartials } from '../formats/files.js';
import type { MetricsRow } from '../metrics/summary.js';
import { createRuntime, type Runtime, type RuntimeSettings } from '../runtime/runtime.js';
import type { Sink } from '../sinks/define.js';
import type { SourceItem } from '../sources/define.js';
import type { Failure, RunEvent } from './events.js';
import { fuseSteps, onlyDifferences } from './fuse.js';
import {
  changedFile,
  fingerprint,
  Journal,
  type JournalEntry,
  metricsFromJson,
  metricsToJson,
  stateOf,
} from './journal.js';
import { describePipeline } from './load.js';
import { lockFolder } from './lock.js';
import { Records } from './records.js';
import { isRefused, type Selection, selectCases } from './select.js';
import type { Pipeline } from './types.js';

/** How a pipeline is run. */
export interface RunOptions extends Selection {
  /** Leave out what an earlier run into the same folder finished, as long as inputs, pipeline and models are the same. */
  readonly resume?: boolean;
  /** Aborting it ends the run: no case is begun, those that are open are abandoned. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
  /** Where to run. Default: a runtime as the pipeline's `runtime` block says, ended with the run. */
  readonly runtime?: Runtime;
}

/** How a run ended. */
export interface RunResult {
  readonly done: number;
  readonly failed: number;
  /** Cases that an earlier run had finished. */
  readonly skipped: number;
  readonly interrupted: boolean;
  readonly failures: readonly Failure[];
  /** The metrics of each case that is finished, in dataset order. */
  readonly metrics: readonly MetricsRow[];
}

/** Cases that are open at once when the pipeline says `auto`: one that loads, one on the device, one that is saved. */
export const defaultInFlight = 3;

/** What went wrong in which step. */
class StepFailure extends Error {
  constructor(
    readonly step: string,
    readonly reason: unknown,
  ) {
    super(messageOf(reason));
  }
}

/** The runtime that a pipeline asks for. */
export function runtimeFor(
  { runtime }: Pipeline,
  settings: Pick<RuntimeSettings, 'modelFolders' | 'onWarning'> = {},
): Runtime {
  return createRuntime({
    device: runtime.device,
    ...(runtime.workers !== 'auto' && { workers: runtime.workers }),
    ...settings,
  });
}

/**
 * Streams the cases of a pipeline's source through its steps into its sinks.
 *
 * At most `inFlight` cases are open at once, each a stream of its own, so memory does not grow with the dataset. A case
 * that fails is recorded, and the others go on. In the output folder appear, besides what sinks write, `failures.csv`,
 * `timings.csv` and `run.json`.
 *
 * @throws VoxError before the first case is read, when the dataset, a model or the output folder is not usable.
 */
export async function runPipeline(pipeline: Pipeline, options: RunOptions = {}): Promise<RunResult> {
  const output = resolve(pipeline.output);
  const items = await selectCases(pipeline.source.definition.open(pipeline.source.options as never), options);
  if (items.length === 0) {
    throw new OptionError(
      'No case is left to run: the dataset, or what --shard and --limit leave of it, is empty.',
    );
  }
  await mkdir(output, { recursive: true }).catch((error) => {
    throw writeFault(output, error);
  });
  const unlock = await lockFolder(output);
  const onWarning = (message: string) => options.onEvent?.({ event: 'warning', message });
  const runtime = options.runtime ?? runtimeFor(pipeline, { onWarning });
  const cleanUps: (() => Promise<unknown>)[] = [unlock];
  if (!options.runtime) cleanUps.push(() => runtime.close());
  try {
    await removePartials(output);
    for (const [at, { id, definition, options: chosen }] of pipeline.steps.entries()) {
      const context = { id, runtime, onlyDifferences: onlyDifferences(pipeline.steps, at) };
      const release = await definition.prepare?.(chosen as never, context);
      if (release) cleanUps.push(release);
    }
    return await streamAll(pipeline, items, output, runtime, options);
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
    if (options.signal?.aborted) await removePartials(output);
  }
}

/** A sink and its name. */
interface OpenSink {
  readonly id: string;
  readonly sink: Sink;
}

async function streamAll(
  pipeline: Pipeline,
  items: readonly SourceItem[],
  output: string,
  runtime: Runtime,
  { resume, signal, onEvent = () => {} }: RunOptions,
): Promise<RunResult> {
  const begin = new Date();
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const { inFlight: wished, seed } = pipeline.runtime;
  const inFlight = wished === 'auto' ? defaultInFlight : wished;
  const identity = fingerprint(
    describePipeline(pipeline).steps,
    describePipeline(pipeline).sinks,
    runtime.loaded(),
  );
  const stages = fuseSteps(pipeline.steps);
  const sinks: OpenSink[] = [];
  for (const { id, definition, options } of pipeline.sinks) {
    sinks.push({ id, sink: await definition.open(options as never, { output, runtime, seed }) });
  }
  const journal = new Journal(output);
  const former = resume ? await journal.read() : new Map<string, JournalEntry>();
  // A refused second case has the id of the first.
  const order = [...new Set(items.map(({ id }) => id))];
  const records = new Records(output, order, {
    pipeline: describePipeline(pipeline),
    files: pipeline.files,
    identity,
    models: runtime.loaded(),
    device: runtime.device,
    started: begin.toISOString(),
    cases: order.length,
  });
  await records.start();

  onEvent({
    event: 'start',
    pipeline: pipeline.name,
    output,
    cases: items.length,
    inFlight,
    device: runtime.device,
    deviceNote: runtime.deviceNote,
    steps: [...stages, ...sinks].map(({ id }) => id),
  });
  const todo: { item: SourceItem; reason?: string }[] = [];
  const kept: JournalEntry[] = [];
  for (const item of items) {
    const entry = former.get(item.id);
    const reason = !resume ? undefined : await whyAgain(item, entry, identity);
    if (!resume || reason || isRefused(item) || !entry) {
      todo.push({ item, ...(reason && { reason }) });
      continue;
    }
    kept.push(entry);
    const restored = { ...item, metrics: metricsFromJson(entry.metrics), timings: entry.timings };
    for (const { sink } of sinks) sink.restore?.(restored);
    records.done(restored);
    onEvent({ event: 'caseSkipped', case: item.id, reason: 'finished by an earlier run' });
  }
  await journal.start(kept);

  let done = 0;
  const steps: { id: string; operator: OperatorFunction<Case, Case> }[] = [
    ...stages.map(({ id, build }) => ({ id, operator: build({ id, runtime }) })),
    ...sinks.map(({ id, sink }) => ({ id, operator: writeTo(id, sink) })),
  ];
  /** One case from its files to its results; it completes without a value, and never fails. */
  const process = (item: SourceItem, reason?: string): Observable<never> =>
    defer(() => {
      onEvent({ event: 'caseStart', case: item.id, ...(reason && { reason }) });
      const opened = performance.now();
      if (isRefused(item)) return throwError(() => new StepFailure('source', new VoxError(item.refused)));
      return from(stateOf(Object.values(item.files))).pipe(
        concatMap((inputs) =>
          steps
            .reduce((stream, { id, operator }) => stream.pipe(named(id, operator, onEvent)), of(item))
            .pipe(concatMap((subject) => finish(subject, inputs, opened))),
        ),
      );
    }).pipe(
      catchError(async (error: unknown) => {
        const failure: Failure = {
          case: item.id,
          step: error instanceof StepFailure ? error.step : 'run',
          message: sentence(error instanceof StepFailure ? error.reason : error),
        };
        await records.failed(failure);
        onEvent({ event: 'caseFailed', ...failure });
      }),
      concatMap(() => EMPTY),
    );
  const finish = async (subject: Case, inputs: JournalEntry['inputs'], opened: number) => {
    const changed = changedFile(inputs, await stateOf(Object.values(subject.files)));
    if (changed) {
      throw new StepFailure(
        'run',
        new VoxError(`${changed.path} changed while the case was being worked on; run the case again.`),
      );
    }
    const saved = sinks.flatMap(({ sink }) => Object.entries(sink.volumes?.(subject) ?? {}));
    const others = sinks.flatMap(({ sink }) => sink.files?.(subject) ?? []);
    const outputs = await stateOf([...saved.map(([, file]) => file), ...others]);
    const metrics = metricsToJson(subject.metrics);
    await journal.append({
      case: subject.id,
      pipeline: identity,
      inputs,
      outputs,
      metrics,
      timings: subject.timings,
      volumes: Object.fromEntries(
        [...saved, ...Object.entries(subject.files)].map(([key, file]) => [key, resolve(file)]),
      ),
      labelNames:
        subject.labelNames ?? Object.values(subject.volumes).find((one) => one.labelNames)?.labelNames,
    });
    records.done(subject);
    done++;
    onEvent({ event: 'caseDone', case: subject.id, seconds: (performance.now() - opened) / 1000, metrics });
  };

  const stopped = signal ? fromEvent(signal, 'abort') : EMPTY;
  if (!signal?.aborted) {
    await lastValueFrom(
      from(todo).pipe(
        mergeMap(({ item, reason }) => process(item, reason), inFlight),
        takeUntil(stopped),
      ),
      { defaultValue: undefined },
    );
  }
  const interrupted = signal?.aborted ?? false;
  if (interrupted) await runtime.close();
  const closing = await Promise.allSettled(sinks.map(({ sink }) => sink.close?.(order)));
  const wall = seconds();
  const lanes = Object.fromEntries(
    Object.entries(runtime.lanes).map(([name, lane]) => [name, lane.busySeconds / lane.width / wall]),
  );
  const failures = records.failures();
  const counts = { done, failed: failures.length, skipped: kept.length, interrupted };
  await records.close({ seconds: wall, lanes, ...counts });
  for (const outcome of closing) if (outcome.status === 'rejected') throw outcome.reason;
  for (const { sink } of sinks) await sink.finish?.(records.finished());
  onEvent({ event: 'end', ...counts, seconds: wall, lanes });
  return { ...counts, failures, metrics: records.metrics() };
}

/** A step whose errors say which step they are from, and whose end is told. */
function named(
  id: string,
  operator: OperatorFunction<Case, Case>,
  onEvent: (event: RunEvent) => void,
): OperatorFunction<Case, Case> {
  return (source) =>
    source.pipe(
      operator,
      tap((subject) =>
        onEvent({ event: 'step', case: subject.id, step: id, seconds: subject.timings[id] ?? 0 }),
      ),
      catchError((error: unknown) => {
        throw error instanceof StepFailure ? error : new StepFailure(id, error);
      }),
    );
}

function writeTo(id: string, sink: Sink): OperatorFunction<Case, Case> {
  return concatMap(async (subject) => {
    const start = performance.now();
    await sink.write(subject);
    return { ...subject, timings: { ...subject.timings, [id]: (performance.now() - start) / 1000 } };
  });
}

/** Why a case is not left out on resuming; undefined when it is. */
async function whyAgain(
  item: SourceItem,
  entry: JournalEntry | undefined,
  identity: string,
): Promise<string | undefined> {
  if (isRefused(item)) return 'failed before';
  if (!entry) return 'not finished before';
  if (entry.pipeline !== identity) return 'the pipeline or its model changed';
  const inputs = await stateOf(Object.values(item.files));
  const changed = changedFile(entry.inputs, inputs) ?? changedFile(inputs, entry.inputs);
  if (changed) return `${changed.path} changed`;
  const outputs = await stateOf(entry.outputs.map(({ path }) => path));
  const lost = changedFile(entry.outputs, outputs);
  return lost && `${lost.path} is missing or changed`;
}

/** The message of a failure; what is no sentence of ours is introduced as one. */
function sentence(error: unknown): string {
  if (error instanceof VoxError) return error.message;
  if (process.env.VOXSTREAM_DEBUG) console.error(error);
  return `Unexpected: ${messageOf(error)} (set VOXSTREAM_DEBUG=1 to see where).`;
}
