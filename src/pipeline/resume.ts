import { type Case, withNotes } from '../case.js';
import { inputPaths } from '../formats/inputFiles.js';
import type { SourceItem } from '../sources/define.js';
import { version } from '../version.js';
import { changedFile, type JournalEntry, stateOf } from './journal.js';
import { isRefused } from './select.js';

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

/**
 * Splits cases into those to run and those that the journal (`earlier`) shows as finished. A case is finished
 * if this version of voxstream ran it with the same pipeline and model (`identity`) from the same input
 * files, and its outputs still exist. Both lists are in the order of `items`.
 */
export async function sortOut(
  items: readonly SourceItem[],
  earlier: ReadonlyMap<string, JournalEntry>,
  identity: string,
): Promise<{ todo: ToDo[]; finished: Finished[] }> {
  const todo: ToDo[] = [];
  const finished: Finished[] = [];
  for (const [index, item] of items.entries()) {
    const entry = earlier.get(item.id);
    if (isRefused(item)) todo.push({ item, index, reason: 'failed in the earlier run' });
    else if (!entry) todo.push({ item, index, reason: 'not finished in the earlier run' });
    else {
      const reason = await staleness(item, entry, identity);
      if (reason) todo.push({ item, index, reason });
      else {
        const { metrics, timings, notes = [] } = entry;
        finished.push({ subject: withNotes({ ...item, metrics, timings }, notes), index, entry });
      }
    }
  }
  return { todo, finished };
}

/** Why a case's journal entry is no longer valid; undefined if it is valid. */
async function staleness(item: Case, entry: JournalEntry, identity: string): Promise<string | undefined> {
  if (entry.version !== version) return 'it was finished by another version of voxstream';
  if (entry.pipeline !== identity) return 'the pipeline or its model changed';
  const inputs = await stateOf(inputPaths(item));
  const changed = changedFile(entry.inputs, inputs) ?? changedFile(inputs, entry.inputs);
  if (changed) return `${changed.path} changed`;
  const outputs = await stateOf(entry.outputs.map(({ path }) => path));
  const lost = changedFile(entry.outputs, outputs);
  return lost && `${lost.path} is missing or changed`;
}
