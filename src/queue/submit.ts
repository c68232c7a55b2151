import { OptionError } from '../errors.js';
import { removePartials } from '../formats/files.js';
import { writeCaseList } from '../pipeline/caseList.js';
import { checkNeeds } from '../pipeline/checkNeeds.js';
import { openEngine } from '../pipeline/engine.js';
import { fingerprint, Journal, type JournalEntry } from '../pipeline/journal.js';
import { checkSteps, runtimeFor } from '../pipeline/openRun.js';
import { type OutputFolder, openOutput } from '../pipeline/outputFolder.js';
import { recordTargets } from '../pipeline/records.js';
import { sortOut } from '../pipeline/resume.js';
import { choose, listCases, type Selection } from '../pipeline/select.js';
import { claimTargets } from '../pipeline/targets.js';
import type { Pipeline } from '../pipeline/types.js';
import type { SourceItem } from '../sources/define.js';
import { version } from '../version.js';
import { queueable } from './items.js';
import { Results } from './results.js';
import { checkRunName, type RunSpec } from './spec.js';
import type { Store } from './store.js';

/** What to submit. */
export interface Submission extends Selection {
  /** Pipeline files: absolute paths and contents. */
  readonly files: RunSpec['files'];
  readonly set: readonly string[];
  readonly input?: string;
  /** The pipeline that these give. */
  readonly pipeline: Pipeline;
  /** Default: the name of the pipeline. */
  readonly name?: string;
  readonly priority?: number;
  readonly resume?: boolean | 'checksum';
  readonly overwrite?: boolean;
  readonly strict?: boolean;
  readonly traceparent?: string;
  /** Folders where models are looked up by name before the package's own. */
  readonly modelFolders: readonly string[];
  readonly onWarning: (message: string) => void;
}

/** A run that was submitted. */
export interface Submitted {
  readonly name: string;
  readonly output: string;
  readonly cases: number;
  /** Cases that an earlier run had finished. */
  readonly skipped: number;
}

/**
 * Puts the cases of a pipeline's source on a queue. Everything that can be checked before the first case is
 * checked, as for a run on this machine: the dataset, the output folder, and the models, which are loaded on
 * the CPU once.
 *
 * @throws VoxError if the run could not start, if its name is taken, or if the server has no memory for it.
 * Nothing is on the queue then.
 */
export async function submit(store: Store, submission: Submission): Promise<Submitted> {
  const { pipeline, onWarning, resume = false } = submission;
  checkSteps(pipeline);
  const name = checkRunName(submission.name ?? pipeline.name);
  await checkFree(store, name);
  const all = await listCases(pipeline.source.built.open({ onWarning }));
  const listed = choose(all, submission);
  if (listed.length === 0) {
    throw new OptionError(
      'There are no cases to submit: the dataset, or the part that was selected, is empty.',
    );
  }
  checkNeeds(pipeline, listed, onWarning);
  queueable(listed, pipeline.source.definition.name);
  const folder = await openOutput(pipeline.output, { onWait: onWarning });
  const output = folder.path;
  try {
    const results = new Results(folder.place);
    const earlier = await finishedIn(results, folder, submission);
    const placed = pipeline.sinks.map(({ id, built }) => ({ id, targets: built.targets?.(output) ?? {} }));
    const { items, folders } = await claimTargets({
      output,
      items: listed,
      sinks: [{ id: 'run', targets: recordTargets(output) }, ...placed],
      finished: earlier,
      overwrite: submission.overwrite,
      wasThere: folder.wasThere,
      origin: folder.origin,
    });
    await removePartials(folders);
    const queued = queueable(items, pipeline.source.definition.name);
    const facts = await modelFacts(submission, queued, output);
    const { finished } = await sortOut(queued, resume ? earlier : new Map(), {
      identity: facts.identity,
      anyProvider: true,
      targetsOf: (item) => placed.flatMap(({ targets }) => targets.ofCase?.(item) ?? []).map(folder.origin),
      outputStates: folder.states,
      contents: resume === 'checksum',
    });
    const spec: RunSpec = {
      name,
      version,
      submitted: new Date().toISOString(),
      output: folder.place,
      files: submission.files,
      set: [...submission.set],
      ...(submission.input !== undefined && { input: submission.input }),
      strict: submission.strict ?? false,
      identity: facts.identity,
      models: [...facts.models],
      dataset: fingerprint(all.map(({ id }) => id)),
      cases: items.length,
      priority: submission.priority ?? 0,
      ...(submission.traceparent && { traceparent: submission.traceparent }),
    };
    const key = await store.reserve(spec);
    if (key === undefined) throw nameTaken(name);
    try {
      await results.start(spec);
      for (const { index, entry } of finished) await results.done(index, entry, pipeline.secrets);
      await folder.sendRest([]);
      await writeCaseList(
        folder.place,
        items.map(({ id }) => id),
      );
      const skipped = new Set(finished.map(({ index }) => index));
      const todo = items.flatMap((_, index) => (skipped.has(index) ? [] : [index]));
      await store.add(key, queued, todo);
      await store.set(key, { state: 'open' });
    } catch (error) {
      await results.markClosed().catch(() => {});
      await store.remove({ key, spec }).catch(() => {});
      throw error;
    }
    return { name, output: folder.place, cases: items.length, skipped: finished.length };
  } finally {
    await folder.release();
  }
}

/** Throws OptionError if the name of a run is taken. A run that is over is removed from the queue. */
async function checkFree(store: Store, name: string): Promise<void> {
  const run = await store.find(name);
  if (!run) return;
  const { waiting, active, delayed } = await store.counts(run);
  const over = run.state === 'cancelled' || (run.state === 'open' && waiting + active + delayed === 0);
  if (!over) throw nameTaken(name);
  await store.remove(run);
}

function nameTaken(name: string): OptionError {
  return new OptionError(
    `The queue has a run with the name ${name} that is not over. Give this one another name with --name, or end the ` +
      `other one with "voxstream cancel ${name}".`,
  );
}

/**
 * The finished cases in an output folder: those of its journal, and those of a queued run that was not
 * collected.
 *
 * @throws OptionError if there are any, and no option says what to do with them.
 */
async function finishedIn(
  results: Results,
  { path, place: output }: OutputFolder,
  { resume, overwrite, pipeline: { secrets } }: Submission,
): Promise<ReadonlyMap<string, JournalEntry>> {
  const queued = await results.spec().catch(() => undefined);
  if (queued && (await results.isOpen())) {
    throw new OptionError(
      `The queued run ${queued.name} writes to ${output}. Wait until it is over, or end it with ` +
        `"voxstream cancel ${queued.name}" and keep its results with "voxstream collect ${output}".`,
    );
  }
  const finished = await new Journal(path, secrets).read();
  for (const entry of (await results.read(secrets)).done.values()) finished.set(entry.case, entry);
  if (finished.size > 0 && !resume && !overwrite) {
    throw new OptionError(
      `${output} holds ${finished.size} finished case(s) of an earlier run. Give --resume to skip those that are ` +
        'unchanged, --overwrite to run all of them again, or another output folder with -o.',
    );
  }
  return finished;
}

/** Loads the models of a pipeline on the CPU. Returns their checksums and the fingerprint of the pipeline. */
async function modelFacts(
  { strict, pipeline, modelFolders, onWarning }: Submission,
  items: readonly SourceItem[],
  output: string,
): Promise<Pick<RunSpec, 'identity' | 'models'>> {
  const runtime = runtimeFor(
    { ...pipeline, runtime: { ...pipeline.runtime, device: 'cpu' } },
    { modelFolders: [...modelFolders], onWarning },
  );
  try {
    const engine = await openEngine(pipeline, { output, runtime, sinks: [], items, strict, onWarning });
    await engine.close();
    return { identity: engine.identity, models: [...engine.models] };
  } finally {
    await runtime.close();
  }
}
