import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  concatMap,
  defer,
  finalize,
  from,
  map,
  type Observable,
  type OperatorFunction,
  of,
  ReplaySubject,
  share,
} from 'rxjs';
import { z } from 'zod';
import { unsignedPlace } from '../address.js';
import { type Case, fileNameOf, withNotes } from '../case.js';
import { OptionError } from '../errors.js';
import { findFile } from '../formats/archives.js';
import type { KeptCase } from '../formats/caseFile.js';
import { mapPaths, pathsOf } from '../formats/inputFiles.js';
import { cacheFolder, memoryLimit } from '../machine.js';
import type { OptionsOf } from '../options.js';
import { bytesType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { originOfCopy } from '../storage/cache.js';
import { version } from '../version.js';
import { operator, type StepContext, standalone, type WrappedSteps } from './define.js';

// Given by name, so that threads load the module only when a pipeline has a cache.
type CaseFileModule = typeof import('../formats/caseFile.js');
const readCaseFileTask = task<CaseFileModule['readCaseFile']>(
  new URL('../formats/caseFile.js', import.meta.url),
  'readCaseFile',
);
const writeCaseFileTask = task<CaseFileModule['writeCaseFile']>(
  new URL('../formats/caseFile.js', import.meta.url),
  'writeCaseFile',
);

/** `cache` for pipeline files. The engine passes it the steps before it. */
export const cacheOperator = operator({
  name: 'cache',
  summary:
    'Runs the steps before it once per case and caches the result in memory, and on disk when memory ' +
    'is full.',
  mirrors:
    'CacheDataset and PersistentDataset in one; files are identified by path, size, modification time ' +
    'and the options of the steps',
  wraps: true,
  options: {
    memory: z
      .union([z.literal('auto'), bytesType])
      .default('auto')
      .describe("Memory for cached cases, e.g. 4GiB; auto: a quarter of the machine's memory"),
    dir: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Folder for cases that do not fit in memory; reused by later runs. Default: voxstream/cases in ' +
          "the user's cache folder",
      ),
  },
  example: { memory: '8GiB' },
  create: ({ memory, dir }, context) => {
    const { wrapped } = context;
    if (!wrapped) {
      throw new OptionError(
        'cache stores the results of the steps before it, but it is the first step. Move it after the ' +
          'deterministic steps.',
      );
    }
    const store = new CaseStore(
      wrapped,
      memory === 'auto' ? memoryLimit() / 4 : memory,
      dir ?? join(cacheFolder(), 'cases'),
      context,
    );
    return concatMap((subject) => store.get(subject));
  },
});

/** Cases that have passed the cached steps. */
class CaseStore {
  readonly #kept = new Map<string, Case>();
  readonly #open = new Map<string, Observable<Case>>();
  #free: number;

  constructor(
    readonly wrapped: WrappedSteps,
    budget: number,
    readonly dir: string,
    readonly context: StepContext,
  ) {
    this.#free = budget;
  }

  /** The case after the cached steps. Concurrent subscribers share one pass. */
  get(subject: Case): Observable<Case> {
    const start = performance.now();
    let opening = this.#open.get(subject.id);
    if (!opening) {
      opening = defer(() => this.#find(subject)).pipe(
        finalize(() => this.#open.delete(subject.id)),
        share({ connector: () => new ReplaySubject(1) }),
      );
      this.#open.set(subject.id, opening);
    }
    return opening.pipe(
      map(({ volumes, metrics, notes = [], timings }) => {
        const seconds = (performance.now() - start) / 1000;
        const kept = { ...subject, volumes, metrics, timings: { ...timings, [this.context.id]: seconds } };
        return withNotes(kept, notes);
      }),
    );
  }

  #find(subject: Case): Observable<Case> {
    const kept = this.#kept.get(subject.id);
    if (kept) return of(kept);
    return from(this.#fileOf(subject)).pipe(
      concatMap((file) =>
        from(this.#read(file)).pipe(
          concatMap((read) => (read ? of(this.#keep({ ...subject, ...read })) : this.#make(subject, file))),
        ),
      ),
    );
  }

  /** Runs the cached steps and keeps the result in memory or, if it does not fit, in the file. */
  #make(subject: Case, file: string): Observable<Case> {
    const { runtime } = this.context;
    return of(subject).pipe(
      this.wrapped.operator,
      concatMap(async (made) => {
        if (this.#fits(made)) return this.#keep(made);
        const { volumes, metrics, notes } = made;
        await runtime.on('io', () => runtime.run(writeCaseFileTask, file, { volumes, metrics, notes }));
        return made;
      }),
    );
  }

  async #fileOf(subject: Case): Promise<string> {
    return join(this.dir, `${fileNameOf(subject.id)}-${await this.#keyOf(subject)}.voxcase`);
  }

  /** The content of a file, or undefined if there is none. A damaged file is removed. */
  async #read(file: string): Promise<KeptCase | undefined> {
    if (!existsSync(file)) return undefined;
    const { runtime } = this.context;
    try {
      return await runtime.on('io', () => runtime.run(readCaseFileTask, file));
    } catch {
      await rm(file, { force: true });
      return undefined;
    }
  }

  #fits(made: Case): boolean {
    return bytesOf(made) <= this.#free;
  }

  /** Keeps a case in memory if it fits. Timings are reported only the first time. */
  #keep(made: Case): Case {
    if (this.#fits(made)) {
      this.#free -= bytesOf(made);
      this.#kept.set(made.id, { ...made, timings: {} });
    }
    return made;
  }

  /**
   * A hash of everything that the result depends on: the files' current state, the steps, and the models they
   * loaded.
   */
  async #keyOf({ id, files, labelNames }: Case): Promise<string> {
    const states = await Promise.all(
      Object.entries(files).map(async ([key, file]) => {
        const named = mapPaths(file, (path) => unsignedPlace(originOfCopy(path)?.address ?? path));
        return [key, named, ...(await Promise.all(pathsOf(file).map(stateOf))).flat()];
      }),
    );
    const { description, models = true } = this.wrapped;
    const loaded = models ? this.context.runtime.loaded() : [];
    const parts = [version, id, states, labelNames, description, loaded];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  }
}

/** The size and time of a file; of a copy, its state where it comes from. */
async function stateOf(path: string): Promise<(number | string | undefined)[]> {
  const origin = originOfCopy(path);
  if (origin) return [origin.size, origin.modified, ...(origin.tag ? [origin.tag] : [])];
  const found = await findFile(path).catch(() => undefined);
  return [found?.size, found?.modified];
}

function bytesOf({ volumes }: Case): number {
  return Object.values(volumes).reduce((sum, { data }) => sum + data.byteLength, 0);
}

/**
 * Runs `wrapped` (one step, or several in a `pipe`) once per case and caches the result: in memory up to a
 * budget, then on disk with one file per case, which later runs reuse. A case is computed again when its
 * files, `wrapped.description` or voxstream's version change. Put random steps after it.
 *
 * Works like MONAI's `CacheDataset`, and like its `PersistentDataset` once memory is full.
 *
 * @param wrapped The steps, and a description of them as plain data. Only steps that do the same may share a
 * description.
 * @throws DataError, on the stream, if a result cannot be written.
 */
export function cache(
  wrapped: WrappedSteps,
  options: OptionsOf<typeof cacheOperator> = {},
  context: StepContext = standalone(cacheOperator.name),
): OperatorFunction<Case, Case> {
  return cacheOperator(options, { ...context, wrapped });
}
