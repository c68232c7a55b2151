import { sep } from 'node:path';
import { isAddress } from '../address.js';
import { type Case, makeCase, withNotes } from '../case.js';
import { inputPaths } from '../formats/inputFiles.js';
import { isRefused, isRemote, type RemoteCase, type SourceItem } from '../sources/define.js';
import { version } from '../version.js';
import { changedFile, type FileState, itemFingerprint, type JournalEntry, stateOf } from './journal.js';

/** A case to run and, when resuming, why it is run again. */
export interface ToDo {
  readonly item: SourceItem;
  /** Its position in the dataset. */
  readonly index: number;
  readonly reason?: string;
}

/** A case that an earlier run finished. */
export interface Finished {
  readonly subject: Case;
  /** Its position in the dataset. */
  readonly index: number;
  readonly entry: JournalEntry;
}

/** What the finished cases of a run must agree with. */
export interface Expected {
  /** The fingerprint of the pipeline and its models. */
  readonly identity: string;
  /** The execution provider that runs the models; undefined without models. */
  readonly provider?: string;
  /** Accept cases that another execution provider ran, e.g. where workers have different devices. */
  readonly anyProvider?: boolean;
  /** The files and folders that the sinks write for a case. */
  readonly targetsOf: (item: Pick<Case, 'id'>) => readonly string[];
  /** The states of files that an earlier run wrote. Default: `stateOf`. */
  readonly outputStates?: (paths: readonly string[], contents: boolean) => Promise<FileState[]>;
  /** Compare the contents of files, instead of their sizes and times. */
  readonly contents: boolean;
}

/**
 * Splits cases into those to run and those that the journal (`earlier`) shows as finished: by this version of
 * voxstream, as `expected`, from the same input files, with outputs that still exist. Both lists are in the
 * order of `items`.
 */
export async function sortOut(
  items: readonly SourceItem[],
  earlier: ReadonlyMap<string, JournalEntry>,
  expected: Expected,
): Promise<{ todo: ToDo[]; finished: Finished[] }> {
  const todo: ToDo[] = [];
  const finished: Finished[] = [];
  const reasons = await stalenessOf(items, earlier, expected);
  for (const [index, item] of items.entries()) {
    const entry = earlier.get(item.id);
    if (isRefused(item)) todo.push({ item, index, reason: 'failed in the earlier run' });
    else if (!entry) todo.push({ item, index, reason: 'not finished in the earlier run' });
    else {
      const reason = reasons[index];
      if (reason) todo.push({ item, index, reason });
      else {
        const { metrics, timings, notes = [] } = entry;
        const known = isRemote(item) ? makeCase({ id: item.id }) : item;
        finished.push({ subject: withNotes({ ...known, metrics, timings }, notes), index, entry });
      }
    }
  }
  return { todo, finished };
}

/** Cases that are examined at the same time: files at addresses take a while to answer. */
const atOnce = 32;

/** Why the journal entry of each case is no longer valid; undefined where it is, or where there is none. */
async function stalenessOf(
  items: readonly SourceItem[],
  earlier: ReadonlyMap<string, JournalEntry>,
  expected: Expected,
): Promise<(string | undefined)[]> {
  const reasons: (string | undefined)[] = [];
  const waiting = items.entries();
  const work = async () => {
    for (const [index, item] of waiting) {
      const entry = earlier.get(item.id);
      if (entry && !isRefused(item)) reasons[index] = await staleness(item, entry, expected);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return reasons;
}

/** Why a case's journal entry is no longer valid; undefined if it is valid. */
async function staleness(
  item: Case | RemoteCase,
  entry: JournalEntry,
  { identity, provider, anyProvider = false, targetsOf, contents, outputStates = stateOf }: Expected,
): Promise<string | undefined> {
  if (entry.version !== version) return 'it was finished by another version of voxstream';
  if (entry.pipeline !== identity) return 'the pipeline or its model changed';
  if (!anyProvider && entry.provider !== provider) {
    return `its model ran on ${entry.provider ?? 'another device'}, and now runs on ${provider ?? 'another device'}`;
  }
  if (entry.dataset !== itemFingerprint(item)) return 'its files or label names in the dataset changed';
  if (contents && [...entry.inputs, ...entry.outputs].some(({ sha256 }) => sha256 === undefined)) {
    return 'the earlier run took no checksums, which --resume=checksum needs';
  }
  // The fingerprint of a remote case covers its files.
  const inputs = await stateOf(isRemote(item) ? [] : inputPaths(item), contents);
  const changed = changedFile(entry.inputs, inputs) ?? changedFile(inputs, entry.inputs);
  if (changed) return `${changed.path} changed`;
  const unknown = inputs.find(
    ({ path, modified, tag, sha256 }) => isAddress(path) && modified === 0 && !tag && !sha256,
  );
  if (unknown) {
    return (
      `${unknown.path} may have changed: its server states neither a time (Last-Modified) nor an ETag; ` +
      '--resume=checksum compares contents'
    );
  }
  const paths = entry.outputs.map(({ path }) => path);
  const unlisted = targetsOf(item).find(
    (target) =>
      !paths.some((path) => path === target || path.startsWith(target + (isAddress(target) ? '/' : sep))),
  );
  if (unlisted) return `its journal entry does not list ${unlisted}`;
  const lost = changedFile(entry.outputs, await outputStates(paths, contents));
  return lost && `${lost.path} is missing or changed`;
}
