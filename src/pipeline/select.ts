import { fileNameOf } from '../case.js';
import { OptionError, unknownName } from '../errors.js';
import { showFile } from '../formats/inputFiles.js';
import { wellFormed } from '../harmless.js';
import { isRefused, isRemote, type RefusedCase, type SourceItem } from '../sources/define.js';

/** Selects the cases of a dataset to run. */
export interface Selection {
  /** Ids of the cases to run. Default: all. */
  readonly cases?: readonly string[];
  /** Part `index` (from 1) of `count` nearly equal parts. A part takes every `count`-th case. */
  readonly shard?: { readonly index: number; readonly count: number };
  /** Maximum number of cases. */
  readonly limit?: number;
}

/**
 * Lists the selected cases of a source in dataset order; see `listCases` and `choose`.
 */
export async function selectCases(
  source: AsyncIterable<SourceItem>,
  selection: Selection,
): Promise<SourceItem[]> {
  return choose(await listCases(source), selection);
}

/**
 * Lists all cases of a source in dataset order. A second case with the same id, or with the same output
 * files, is rejected.
 */
export async function listCases(source: AsyncIterable<SourceItem>): Promise<SourceItem[]> {
  const items: SourceItem[] = [];
  const taken = new Map<string, string>();
  for await (const given of source) {
    const item = { ...given, id: wellFormed(given.id) };
    const name = fileNameOf(item.id);
    const earlier = taken.get(name);
    if (earlier === undefined) taken.set(name, item.id);
    items.push(earlier === undefined ? item : refuseSecond(item, earlier));
  }
  return items;
}

/** The selected ones of all cases. The filters apply in this order: ids, shard, limit. */
export function choose(items: readonly SourceItem[], selection: Selection): SourceItem[] {
  const wanted = selection.cases && new Set(selection.cases);
  if (wanted) {
    const ids = items.map(({ id }) => id);
    const missing = [...wanted].find((id) => !ids.includes(id));
    if (missing !== undefined) throw new OptionError(`--cases: ${unknownName('case', missing, ids)}`);
  }
  const { shard, limit = Number.POSITIVE_INFINITY } = selection;
  return items
    .filter(({ id }) => !wanted || wanted.has(id))
    .filter((_, i) => !shard || i % shard.count === shard.index - 1)
    .slice(0, limit);
}

function refuseSecond(item: SourceItem, earlier: string): RefusedCase {
  const files =
    isRefused(item) || isRemote(item) ? '' : ` (${Object.values(item.files).map(showFile).join(', ')})`;
  return {
    id: item.id,
    refused:
      'A second case has the id ' +
      `${item.id}${earlier === item.id ? '' : `, which is written to the same files as ${earlier}`}${files}. ` +
      'Ids must be unique; only the first case is run.',
  };
}
