import {
  catchError,
  concatMap,
  defer,
  finalize,
  from,
  ignoreElements,
  map,
  type Observable,
  type OperatorFunction,
  of,
  tap,
} from 'rxjs';
import type { Case } from '../case.js';
import { VoxError } from '../errors.js';
import { absoluteFile, inputPaths, mapPaths } from '../formats/inputFiles.js';
import { maskEvent, maskOf } from '../mask.js';
import { valuesToJson } from '../metrics/valuesAsJson.js';
import { isMetric } from '../operators/defineMetric.js';
import type { Sink } from '../sinks/define.js';
import { isRefused, isRemote, type RemoteCase } from '../sources/define.js';
import { version } from '../version.js';
import type { Engine } from './engine.js';
import type { Failure, RunEvent } from './events.js';
import { chain } from './fuse.js';
import { changedFile, type FileState, itemFingerprint, stateOf } from './journal.js';
import { bringCase, isElsewhere, type LocalCase } from './localCase.js';
import type { OpenRun } from './openRun.js';
import type { ToDo } from './resume.js';
import { failureOf, named, StepFailure, writeTo } from './steps.js';

/** A case that is open. */
interface OpenCase {
  /** The case as its source gave it. */
  readonly item: Case | RemoteCase;
  /** The state of its files before they were read. */
  readonly inputs: readonly FileState[];
  /** Its position in the dataset. */
  readonly index: number;
  /** When it was opened, by `performance.now`. */
  readonly opened: number;
  /** Its copies on this machine, if it has files at addresses. */
  readonly local?: LocalCase;
}

/** How a case begins. */
type Start = Pick<OpenCase, 'item' | 'index' | 'local'> & Pick<ToDo, 'reason'>;

/** What the stream of a case needs of its run. */
export interface CaseRun extends Engine, Pick<OpenRun, 'contents' | 'onFault'> {
  readonly folder: Pick<OpenRun['folder'], 'origin' | 'save'>;
  readonly journal: Pick<OpenRun['journal'], 'append'>;
  readonly records: Pick<OpenRun['records'], 'failed' | 'done' | 'nameMetrics'>;
}

/** Builds the stream of each case of a run. */
export class CaseStreams {
  readonly #steps: OperatorFunction<Case, Case>;
  /** Number of reported notes per open case, by id. */
  readonly #notes = new Map<string, number>();
  /** Failures of metrics of open cases, by id. */
  readonly #failures = new Map<string, unknown>();
  /** Cases whose results or failures are being recorded. Unsubscribing does not interrupt that. */
  readonly #recording = new Set<Promise<void>>();

  constructor(
    readonly run: CaseRun,
    readonly tell: (event: RunEvent) => void,
  ) {
    const { stages, sinks, runtime, pipeline, strict } = run;
    const { seed } = pipeline.runtime;
    const mask = maskOf(pipeline);
    const inside =
      (id: string, operator: OperatorFunction<Case, Case>): OperatorFunction<Case, Case> =>
      (source) =>
        source.pipe(
          named(id, operator, tell),
          tap((subject) => this.#tellNotes(subject)),
        );
    const windowsOf = (step: string) => (id: string, done: number, all: number) =>
      tell({ event: 'windows', case: id, step, done, all });
    const metrics = new Set(
      pipeline.steps.flatMap(({ id, definition }) => (isMetric(definition) ? [id] : [])),
    );
    // Built once for all cases, so that they share models and caches.
    this.#steps = chain([
      ...stages.map(({ id, build }) => {
        const operator = inside(id, build({ id, runtime, seed, strict, onWindows: windowsOf(id) }, inside));
        return metrics.has(id) ? this.#keepGoing(operator) : operator;
      }),
      map((subject) => (subject.notes ? { ...subject, notes: mask(subject.notes) } : subject)),
      ...sinks.map(({ id, sink }) => this.#unlessFailed(sink, inside(id, writeTo({ id, runtime }, sink)))),
    ]);
  }

  /**
   * The stream of one case, from the moment it is admitted until it is recorded. It completes without a value
   * and never fails: a failure is recorded instead. Unsubscribing abandons the case.
   */
  stream({ item, index, reason }: ToDo): Observable<never> {
    return defer(() => {
      if (isRefused(item)) throw new StepFailure('source', new VoxError(item.refused));
      const start = { item, index, reason };
      if (isRemote(item)) return this.#fetched(item, (subject) => this.#admitted(subject, start));
      if (isElsewhere(item)) return this.#brought(item, start);
      return this.#admitted(item, start);
    }).pipe(
      catchError((error: unknown) => {
        this.run.onFault?.(item.id, error);
        return this.#recorded(this.#fail(failureOf(item.id, error), index));
      }),
      ignoreElements(),
    );
  }

  /** A metric whose failure fails the case only after its volumes are written. */
  #keepGoing(operator: OperatorFunction<Case, Case>): OperatorFunction<Case, Case> {
    return concatMap((subject) =>
      of(subject).pipe(
        operator,
        catchError((error: unknown) => {
          if (!this.#failures.has(subject.id)) this.#failures.set(subject.id, error);
          return of(subject);
        }),
      ),
    );
  }

  /** A sink that takes cases whose metrics failed only if it writes their volumes. */
  #unlessFailed(sink: Sink, operator: OperatorFunction<Case, Case>): OperatorFunction<Case, Case> {
    return concatMap((subject) =>
      this.#failures.has(subject.id) && !sink.volumes ? of(subject) : of(subject).pipe(operator),
    );
  }

  /** Resolves when all cases in the process of being recorded are recorded. */
  async settled(): Promise<void> {
    await Promise.all(this.#recording);
  }

  /** Brings the files of a remote case here, and removes them when `use` of it ends. */
  #fetched(remote: RemoteCase, use: (subject: Case) => Observable<void>): Observable<void> {
    const abort = new AbortController();
    const start = performance.now();
    const fetching = remote.fetch(abort.signal);
    return from(fetching).pipe(
      catchError((error: unknown) => {
        throw new StepFailure('source', error);
      }),
      concatMap(({ item }) => {
        if (isRefused(item)) throw new StepFailure('source', new VoxError(item.refused));
        const timings = { fetch: (performance.now() - start) / 1000, ...item.timings };
        return use({ ...item, id: remote.id, timings });
      }),
      finalize(() => this.#releaseLater(fetching, abort)),
    );
  }

  /** Brings files of a case here that are at addresses, and gives them back when it ends. */
  #brought(item: Case, start: Start): Observable<void> {
    const abort = new AbortController();
    const begin = performance.now();
    const bringing = bringCase(item, abort.signal);
    return from(bringing).pipe(
      catchError((error: unknown) => {
        throw new StepFailure('source', error);
      }),
      concatMap((local) => {
        const timings = { ...item.timings, fetch: (performance.now() - begin) / 1000 };
        return this.#admitted({ ...local.subject, timings }, { ...start, local }).pipe(
          catchError((error: unknown) => {
            throw local.error(error);
          }),
        );
      }),
      finalize(() => this.#releaseLater(bringing, abort)),
    );
  }

  /** Gives the files of a case back when its result is recorded, which is compared with them. */
  #releaseLater(fetching: Promise<{ readonly release: () => Promise<void> }>, abort: AbortController): void {
    abort.abort();
    const recorded = this.settled();
    const releasing = fetching.then(async ({ release }) => {
      await recorded;
      await release();
    });
    // A failed fetch is recorded already. What cannot be removed now is removed when the process ends.
    void this.#recorded(releasing.catch(() => {}));
  }

  #admitted(subject: Case, { item, index, reason, local }: Start): Observable<void> {
    return from(this.run.checkInput(subject)).pipe(
      concatMap(() => this.run.admit(subject)),
      concatMap(({ bytes, leave }) => {
        const { id } = subject;
        this.tell({
          event: 'caseStart',
          case: id,
          ...(reason && { reason }),
          ...(bytes && { memory: bytes }),
        });
        return this.#open(subject, { item, index, local }).pipe(
          finalize(() => {
            this.#notes.delete(id);
            this.#failures.delete(id);
            leave();
          }),
        );
      }),
    );
  }

  #open(subject: Case, start: Pick<OpenCase, 'item' | 'index' | 'local'>): Observable<void> {
    const opened = performance.now();
    return from(stateOf(inputPaths(subject), this.run.contents)).pipe(
      concatMap((inputs) =>
        of(subject).pipe(
          this.#steps,
          tap(({ id }) => {
            if (this.#failures.has(id)) throw this.#failures.get(id);
          }),
          concatMap((result) => this.#recorded(this.#finish(result, { ...start, inputs, opened }))),
        ),
      ),
    );
  }

  /** Reports the notes that steps added to a case since the last call. */
  #tellNotes({ id, notes = [] }: Case): void {
    for (const message of notes.slice(this.#notes.get(id) ?? 0)) {
      this.tell({ event: 'warning', case: id, message });
    }
    this.#notes.set(id, notes.length);
  }

  #recorded<Value>(work: Promise<Value>): Promise<Value> {
    const ended: Promise<void> = work.then(
      () => void this.#recording.delete(ended),
      () => void this.#recording.delete(ended),
    );
    this.#recording.add(ended);
    return work;
  }

  async #fail(failure: Failure, index: number): Promise<void> {
    await this.run.records.failed(maskEvent(maskOf(this.run.pipeline), failure));
    this.tell({ event: 'caseFailed', index, ...failure });
  }

  /** Records a case after all of its files are written. */
  async #finish(given: Case, { item, inputs, index, opened, local }: OpenCase): Promise<void> {
    const result = local && given.notes ? { ...given, notes: given.notes.map(local.text) } : given;
    const { sinks, journal, records, identity, provider, contents, folder } = this.run;
    const metrics = valuesToJson(records.nameMetrics(result.metrics));
    const now = await stateOf(inputPaths(result));
    const changed = changedFile(inputs, now);
    if (changed) throw new StepFailure('run', changedMeanwhile(changed.path, now));
    const saved = sinks.flatMap(({ sink }) => Object.entries(sink.volumes?.(result) ?? {}));
    const others = sinks.flatMap(({ sink }) => sink.files?.(result) ?? []);
    // Fetched files are removed when the case ends.
    const remote = isRemote(item);
    const kept = remote ? [] : Object.entries(result.files);
    const outputs = await folder.save(
      [...saved.map(([, file]) => file), ...others],
      sinks.flatMap(({ sink }) => sink.kept?.(result) ?? []),
      contents,
    );
    await journal.append({
      case: item.id,
      version,
      pipeline: identity,
      dataset: itemFingerprint(item),
      provider,
      inputs: remote ? [] : (local?.states(inputs) ?? inputs),
      outputs,
      metrics: result.metrics,
      timings: result.timings,
      volumes: Object.fromEntries(
        [...saved, ...kept].map(([key, file]) => [
          key,
          absoluteFile(mapPaths(local?.origin(file) ?? file, folder.origin)),
        ]),
      ),
      notes: result.notes,
      labelNames:
        result.labelNames ?? Object.values(result.volumes).find((one) => one.labelNames)?.labelNames,
    });
    records.done(result);
    const seconds = (performance.now() - opened) / 1000;
    const [bytesRead, bytesWritten] = [remote ? [] : inputs, outputs].map(totalSize);
    this.tell({ event: 'caseDone', case: item.id, index, seconds, bytesRead, bytesWritten, metrics });
  }
}

function totalSize(files: readonly FileState[]): number {
  return files.reduce((sum, { size }) => sum + Math.max(size, 0), 0);
}

/** The error for a source file that changed after its case started. */
function changedMeanwhile(path: string, now: readonly FileState[]): VoxError {
  const gone = now.find((file) => file.path === path)?.size === -1;
  return new VoxError(
    `${path} ${gone ? 'was removed' : 'changed'} while the case was being processed; ` +
      `${gone ? 'put it back and ' : ''}run the case again with --resume.`,
  );
}
