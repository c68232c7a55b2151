import { resolve } from 'node:path';
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  fromEvent,
  lastValueFrom,
  merge,
  mergeMap,
  type Observable,
  type OperatorFunction,
  of,
  takeUntil,
  throwError,
} from 'rxjs';
import type { Case } from '../case.js';
import { messageOf, OptionError, VoxError } from '../errors.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { removePartials } from '../formats/files.js';
import { absoluteFile, inputPaths } from '../formats/inputFiles.js';
import type { MetricsRow } from '../metrics/summary.js';
import { onlyDifferences } from '../operators/onlyDifferences.js';
import { Budget } from '../runtime/budget.js';
import { createRuntime, type Runtime, type RuntimeSettings } from '../runtime/runtime.js';
import type { Sink } from '../sinks/define.js';
import type { SourceItem } from '../sources/define.js';
import { version } from '../version.js';
import { describePipeline } from './describePipeline.js';
import type { Failure, RunEvent } from './events.js';
import { fuseSteps } from './fuse.js';
import { changedFile, fingerprint, Journal, type JournalEntry, metricsToJson, stateOf } from './journal.js';
import { lockFolder } from './lock.js';
import { admission, estimatorFor, memoryBudget } from './memory.js';
import { Records } from './records.js';
import { sortOut, type ToDo } from './resume.js';
import { isRefused, type Selection, selectCases } from './select.js';
import { failureOf, named, StepFailure, writeTo } from './steps.js';
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
  /** Files of the run as a whole that could not be written at its end: a sentence each. Running again with `resume` mends them. */
  readonly problems: readonly string[];
  /** The metrics of each case that is finished, in dataset order. */
  readonly metrics: readonly MetricsRow[];
}

/** Cases that are open at once when the pipeline says `auto`: one that loads, one on the device, one that is saved. */
export const defaultInFlight = 3;

/** The runtime that a pipeline asks for. */
export function runtimeFor(
  { runtime }: Pipeline,
  settings: Pick<RuntimeSettings, 'modelFolders' | 'formsFolder' | 'onWarning'> = {},
): Runtime {
  return createRuntime({
    device: runtime.device,
    ...(runtime.workers !== 'auto' && { workers: runtime.workers }),
    stepTimeout: runtime.stepTimeout,
    ...settings,
  });
}

/**
 * Streams the cases of a pipeline's source through its steps into its sinks.
 *
 * At most `inFlight` cases are open at once, each a stream of its own, and what they are estimated to take stays within the
 * memory budget, so memory does not grow with the dataset. A case that fails is recorded, and the others go on. In the output folder appear, besides what sinks write, `failures.csv`,
 * `timings.csv` and `run.json`.
 *
 * @throws VoxError before the first case is read, when the dataset, a model or the output folder is not usable.
 */
export async function runPipeline(pipeline: Pipeline, options: RunOptions = {}): Promise<RunResult> {
  const output = resolve(pipeline.output);
  if (pipeline.train) {
    throw new OptionError(
      `${pipeline.files.join(', ')} has a train block: run it with "voxstream train", or take the block out.`,
    );
  }
  const splitting = pipeline.steps.find(({ definition }) => definition.splits);
  if (splitting) {
    throw new OptionError(
      `The step ${splitting.id} makes several cases of one, as training wants it; "run" gives one result per case. Use ` +
        `"voxstream train", or leave it out with --set ${splitting.id}.disabled=true.`,
    );
  }
  const onWarning = (message: string) => options.onEvent?.({ event: 'warning', message });
  const items = await selectCases(pipeline.source.built.open({ onWarning }), options);
  if (items.length === 0) {
    throw new OptionError(
      'No case is left to run: the dataset, or what --shard and --limit leave of it, is empty.',
    );
  }
  await makeFolder(output).catch((error) => {
    throw writeFault(output, error);
  });
  const lock = await lockFolder(output, { onWait: onWarning, signal: options.signal });
  const runtime = options.runtime ?? runtimeFor(pipeline, { onWarning });
  const cleanUps: (() => Promise<unknown>)[] = [() => lock.release()];
  if (!options.runtime) cleanUps.push(() => runtime.close());
  try {
    await removePartials(output);
    for (const [at, step] of pipeline.steps.entries()) {
      const context = {
        id: step.id,
        runtime,
        onlyDifferences: onlyDifferences(step, pipeline.steps[at + 1]),
      };
      const release = await step.built.prepare?.(context);
      if (release) cleanUps.push(release);
    }
    return await streamAll(pipeline, items, output, runtime, lock.lost, options);
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
  lockLost: AbortSignal,
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
  const stages = fuseSteps(pipeline.steps, pipeline.fusions);
  const sinks: OpenSink[] = [];
  for (const { id, built } of pipeline.sinks) {
    sinks.push({ id, sink: await built.open({ output, runtime, seed }) });
  }
  const memory = memoryBudget(pipeline);
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
    memory,
    device: runtime.device,
    deviceNote: runtime.deviceNote,
    steps: [...stages, ...sinks].map(({ id }) => id),
  });
  const { todo, finished } = await sortOut(items, former, identity);
  for (const { subject } of finished) {
    for (const { sink } of sinks) sink.restore?.(subject);
    records.done(subject);
    onEvent({ event: 'caseSkipped', case: subject.id, reason: 'finished by an earlier run' });
  }
  await journal.start(finished.map(({ entry }) => entry));

  let done = 0;
  /** Cases whose results or failures are being recorded. Unsubscribing does not stop that: an interrupted run waits. */
  const recording = new Set<Promise<void>>();
  const recorded = <Value>(work: Promise<Value>): Promise<Value> => {
    const ended: Promise<void> = work.then(
      () => void recording.delete(ended),
      () => void recording.delete(ended),
    );
    recording.add(ended);
    return work;
  };
  const steps: { id: string; operator: OperatorFunction<Case, Case> }[] = [
    ...stages.map(({ id, build }) => ({
      id,
      operator: build({ id, runtime, seed }, (inner, operator) => named(inner, operator, onEvent)),
    })),
    ...sinks.map(({ id, sink }) => ({ id, operator: writeTo(id, sink) })),
  ];
  const admit = admission(await estimatorFor(pipeline, runtime), new Budget(memory));
  /** One case through all steps and sinks; what comes out is its results. */
  const open = (item: Case, reason: string | undefined, bytes: number | undefined): Observable<Case> => {
    onEvent({
      event: 'caseStart',
      case: item.id,
      ...(reason && { reason }),
      ...(bytes && { memory: bytes }),
    });
    const opened = performance.now();
    return from(stateOf(inputPaths(item))).pipe(
      concatMap((inputs) =>
        steps
          .reduce((stream, { id, operator }) => stream.pipe(named(id, operator, onEvent)), of(item))
          .pipe(concatMap((subject) => recorded(finish(subject, inputs, opened)))),
      ),
    );
  };
  /** One case from when there is room for it to its end; it completes without a value, and never fails. */
  const process = ({ item, reason }: ToDo): Observable<never> =>
    defer(() => {
      if (isRefused(item)) throw new StepFailure('source', new VoxError(item.refused));
      return from(admit(item)).pipe(
        concatMap(({ bytes, leave }) => open(item, resume ? reason : undefined, bytes).pipe(finalize(leave))),
      );
    }).pipe(
      catchError((error: unknown) => recorded(fail(failureOf(item.id, error)))),
      concatMap(() => EMPTY),
    );
  const fail = async (failure: Failure): Promise<void> => {
    await records.failed(failure);
    onEvent({ event: 'caseFailed', ...failure });
  };
  const finish = async (subject: Case, inputs: JournalEntry['inputs'], opened: number): Promise<Case> => {
    const now = await stateOf(inputPaths(subject));
    const changed = changedFile(inputs, now);
    if (changed) throw new StepFailure('run', changedMeanwhile(changed.path, now));
    const saved = sinks.flatMap(({ sink }) => Object.entries(sink.volumes?.(subject) ?? {}));
    const others = sinks.flatMap(({ sink }) => sink.files?.(subject) ?? []);
    const outputs = await stateOf([...saved.map(([, file]) => file), ...others]);
    const metrics = metricsToJson(subject.metrics);
    await journal.append({
      case: subject.id,
      version,
      pipeline: identity,
      inputs,
      outputs,
      metrics,
      timings: subject.timings,
      volumes: Object.fromEntries(
        [...saved, ...Object.entries(subject.files)].map(([key, file]) => [key, absoluteFile(file)]),
      ),
      labelNames:
        subject.labelNames ?? Object.values(subject.volumes).find((one) => one.labelNames)?.labelNames,
    });
    records.done(subject);
    done++;
    onEvent({ event: 'caseDone', case: subject.id, seconds: (performance.now() - opened) / 1000, metrics });
    return subject;
  };

  const stopped = signal ? fromEvent(signal, 'abort') : EMPTY;
  const lost = fromEvent(lockLost, 'abort').pipe(concatMap(() => throwError(() => lockLost.reason)));
  if (!signal?.aborted) {
    await lastValueFrom(
      from(todo).pipe(
        mergeMap((one) => process(one), inFlight),
        takeUntil(merge(stopped, lost)),
      ),
      { defaultValue: undefined },
    );
  }
  lockLost.throwIfAborted();
  await Promise.all(recording);
  const interrupted = signal?.aborted ?? false;
  if (interrupted) await runtime.close();
  const wall = seconds();
  const lanes = Object.fromEntries(
    Object.entries(runtime.lanes).map(([name, lane]) => [name, lane.busySeconds / lane.width / wall]),
  );
  const failures = records.failures();
  const counts = { done, failed: failures.length, skipped: finished.length, interrupted };
  /** Ends that failed, on a full disk for instance: the cases are safe all the same, and the rest is to be ended too. */
  const problems: string[] = [];
  const ending = async (end: () => Promise<void> | undefined) => {
    try {
      await end();
    } catch (error) {
      problems.push(messageOf(error));
    }
  };
  const ended = records.finished();
  for (const { sink } of sinks) await ending(() => sink.close?.(ended.map(({ id }) => id)));
  await ending(() => records.close({ seconds: wall, lanes, ...counts }));
  for (const { sink } of sinks) await ending(() => sink.finish?.(ended));
  for (const message of problems) onEvent({ event: 'warning', message });
  onEvent({ event: 'end', ...counts, seconds: wall, lanes });
  return { ...counts, failures, problems, metrics: records.metrics() };
}

/** The error for a source file that is not what it was when its case began. */
function changedMeanwhile(path: string, now: JournalEntry['inputs']): VoxError {
  const gone = now.find((file) => file.path === path)?.size === -1;
  return new VoxError(
    `${path} ${gone ? 'was removed' : 'changed'} while the case was being worked on; ` +
      `${gone ? 'put it back and ' : ''}run the case again with --resume.`,
  );
}
