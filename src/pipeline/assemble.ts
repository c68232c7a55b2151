import { makeCase, withNotes } from '../case.js';
import { messageOf } from '../errors.js';
import { removePartials } from '../formats/files.js';
import type { Secrets } from '../mask.js';
import { createRuntime } from '../runtime/runtime.js';
import type { OpenableSink, Sink, SinkTargets } from '../sinks/define.js';
import { writeCaseList } from './caseList.js';
import { closeRun } from './closeRun.js';
import type { Failure } from './events.js';
import { Journal, type JournalEntry } from './journal.js';
import { openOutput } from './outputFolder.js';
import { Records, recordTargets } from './records.js';
import type { Provenance } from './runFile.js';
import { claimTargets } from './targets.js';

/** A sink of a run, and its id. */
export interface AssembledSink {
  readonly id: string;
  readonly built: OpenableSink;
}

/** Finished cases and failures of other processes, from which the files of one run are written. */
export interface Assembly {
  /** The run's folder: an absolute path or an address. */
  readonly output: string;
  /** The sinks of the pipeline. Only those that write files of the run as a whole are used. */
  readonly sinks: readonly AssembledSink[];
  readonly seed: number;
  readonly secrets: Secrets;
  /** The ids of all cases, in dataset order. */
  readonly order: readonly string[];
  readonly finished: ReadonlyMap<string, JournalEntry>;
  readonly failures: readonly Failure[];
  readonly provenance: Provenance;
  /** What run.json says about the end of the run, besides the counts of cases. */
  readonly outcome: Provenance;
  /** Replace files that no run in the folder wrote. Default: refuse to start. */
  readonly overwrite?: boolean;
  /**
   * Called with the run's folder on this machine before the sinks read what it holds, e.g. to put pictures of
   * cases there.
   */
  readonly prepare?: (folder: string) => Promise<void>;
  readonly onWarning?: (message: string) => void;
}

/** Whether a sink writes files of the run as a whole, e.g. a table of all cases. */
export function writesForRun({ ofRun = [] }: SinkTargets): boolean {
  return ofRun.length > 0;
}

/** Whether a sink has to see the volumes of each case. Otherwise a finished case can be given to it later. */
export function writesForCases(targets: SinkTargets): boolean {
  return targets.ofCase !== undefined || !writesForRun(targets);
}

/**
 * Writes the files of a run as a whole, as one process that ran all cases would have: the tables of sinks,
 * `failures.csv`, `timings.csv`, `run.json`, the journal. Returns one sentence for each that could not be
 * written.
 *
 * @throws OptionError if the folder is in use, or if files are in the way.
 */
export async function assemble(assembly: Assembly): Promise<string[]> {
  const { finished, failures, seed, secrets, onWarning } = assembly;
  const folder = await openOutput(assembly.output, { onWait: onWarning });
  const output = folder.path;
  const runtime = createRuntime({ device: 'cpu', ...(onWarning && { onWarning }) });
  try {
    const placed = assembly.sinks.flatMap(({ id, built }) => {
      const targets = built.targets?.(output) ?? {};
      return writesForRun(targets) ? [{ id, built, targets: { ofRun: targets.ofRun } }] : [];
    });
    const journal = new Journal(output, secrets);
    const { folders } = await claimTargets({
      output,
      items: [],
      sinks: [{ id: 'run', targets: recordTargets(output) }, ...placed],
      finished: await journal.read(),
      overwrite: assembly.overwrite,
      wasThere: folder.wasThere,
      origin: folder.origin,
    });
    await removePartials(folders);
    const order = [...new Set(assembly.order)];
    const records = new Records(output, order, assembly.provenance);
    await records.start();
    await writeCaseList(output, assembly.order);
    const sinks: { readonly sink: Sink }[] = [];
    for (const { built } of placed)
      sinks.push({ sink: await built.open({ output, runtime, seed, secrets }) });
    const entries = order.flatMap((id) => finished.get(id) ?? []);
    for (const { case: id, metrics, timings, notes = [] } of entries) {
      const subject = withNotes(makeCase({ id, metrics, timings }), notes);
      for (const { sink } of sinks) sink.restore?.(subject);
      records.nameMetrics(metrics);
      records.done(subject);
    }
    await folder.bring([
      ...sinks.flatMap(({ sink }) => sink.reads ?? []),
      ...entries.flatMap(({ case: id }) => sinks.flatMap(({ sink }) => sink.kept?.({ id }) ?? [])),
    ]);
    records.restoreFailures(failures);
    await journal.start(entries);
    await assembly.prepare?.(output);
    const counts = { done: entries.length, failed: failures.length, skipped: 0, interrupted: false };
    const problems = await closeRun({ sinks, records }, { ...assembly.outcome, ...counts });
    const runFiles = [
      ...recordTargets(output).ofRun,
      ...placed.flatMap(({ targets }) => targets.ofRun ?? []),
    ];
    await folder.sendRest(runFiles).catch((error) => problems.push(messageOf(error)));
    return problems;
  } finally {
    await runtime.close();
    await folder.release();
  }
}
