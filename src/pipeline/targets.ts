import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { isAddress, shownPlace } from '../address.js';
import type { Case } from '../case.js';
import { listNames, OptionError } from '../errors.js';
import { writeFileAside } from '../formats/files.js';
import { inputPaths } from '../formats/inputFiles.js';
import type { SinkTargets } from '../sinks/define.js';
import { isRefused, isRemote, type RemoteCase, type SourceItem } from '../sources/define.js';
import type { JournalEntry } from './journal.js';

/** A sink, and where it writes. */
interface NamedTargets {
  readonly id: string;
  readonly targets: SinkTargets;
}

/** What is to be checked before a run writes anything. */
export interface TargetRequest {
  /** The run's folder. */
  readonly output: string;
  readonly items: readonly SourceItem[];
  /** Everything that writes: the sinks, and the run itself. */
  readonly sinks: readonly NamedTargets[];
  /** What earlier runs in the folder finished. */
  readonly finished: ReadonlyMap<string, JournalEntry>;
  /** Replace files that no run in this folder is known to have written. Default: refuse to start. */
  readonly overwrite?: boolean;
  /** Whether a file is there already. Default: the disk is asked. */
  readonly wasThere?: ((path: string) => boolean) | undefined;
  /** Where a file will be for others. Default: its path. */
  readonly origin?: (path: string) => string;
}

/** Where a run writes. */
export interface ClaimedTargets {
  /** The cases; one that would be written to the files of another is refused. */
  readonly items: readonly SourceItem[];
  /** The folders that the run writes to. */
  readonly folders: ReadonlySet<string>;
}

/** Who writes to a path. */
interface Owner {
  readonly sink: string;
  readonly item?: Pick<Case, 'id'>;
}

/**
 * Finds every file that a run will write, and notes in the output folder that they belong to its runs
 * (`.voxstream/targets.json`). Paths are compared with links resolved, and regardless of letter case and
 * Unicode form, as some disks do.
 *
 * @throws OptionError if a sink leaves the output folder, if two sinks write to one file, if a source file
 * would be replaced, or (without `overwrite`) a file that no run in this folder is known to have written.
 */
export async function claimTargets(request: TargetRequest): Promise<ClaimedTargets> {
  const { output, sinks } = request;
  const places = new Places();
  const owners = new Map<string, Owner>();
  /** Paths by the form in which they are compared. */
  const claimed = new Map<string, string>();
  const claim = async (path: string, owner: Owner): Promise<Owner | undefined> => {
    if (!isInside(output, path)) {
      throw new OptionError(
        `The sink ${owner.sink} would write to ${path}, which is outside the output folder ${output}. Give a path inside ` +
          'it, or change output.',
      );
    }
    const key = await places.keyOf(path);
    const taken = owners.get(key);
    if (taken) return taken;
    owners.set(key, owner);
    claimed.set(key, path);
    return undefined;
  };
  for (const { id, targets } of sinks) {
    for (const path of targets.ofRun ?? []) {
      const taken = await claim(path, { sink: id });
      if (taken) throw sharedTarget(path, id, taken);
    }
  }
  const items: SourceItem[] = [];
  for (const item of request.items) {
    items.push(isRefused(item) ? item : ((await claimCase(item, sinks, claim)) ?? item));
  }
  await checkSources(request, claimed, places);
  const earlier = await readClaims(output, request.finished, places);
  if (!request.overwrite) await checkForeign(claimed, earlier, request);
  const all = [...new Set([...earlier.values(), ...claimed.values()])].map((path) => relative(output, path));
  await writeFileAside(claimsFile(output), `${JSON.stringify(all)}\n`);
  const folders = new Set([...claimed.values(), claimsFile(output)].map((path) => dirname(path)));
  return { items, folders };
}

/** Claims the files of a case. Returns why it is refused, if another case has one of them. */
async function claimCase(
  item: Case | RemoteCase,
  sinks: readonly NamedTargets[],
  claim: (path: string, owner: Owner) => Promise<Owner | undefined>,
): Promise<SourceItem | undefined> {
  for (const { id, targets } of sinks) {
    for (const path of targets.ofCase?.(item) ?? []) {
      const taken = await claim(path, { sink: id, item });
      if (!taken) continue;
      if (!taken.item || taken.item === item) throw sharedTarget(path, id, taken);
      return {
        id: item.id,
        refused:
          `The sink ${id} would write case ${item.id} to ${path}, where the sink ${taken.sink} writes case ` +
          `${taken.item.id} (letter case and Unicode form do not tell files apart on every disk). Only ${taken.item.id} is ` +
          'run. Give the cases other names, or the sinks other postfixes.',
      };
    }
  }
  return undefined;
}

function sharedTarget(path: string, sink: string, taken: Owner): OptionError {
  const who =
    sink === taken.sink
      ? `The sink ${sink} would write twice to`
      : `The sinks ${taken.sink} and ${sink} would both write to`;
  return new OptionError(
    `${who} ${path}, and only the last would remain. Give them different postfixes, folders or paths.`,
  );
}

/** Throws OptionError if a file that a case is read from would be replaced. */
async function checkSources(
  { items, origin = (path) => path }: TargetRequest,
  claimed: ReadonlyMap<string, string>,
  places: Places,
): Promise<void> {
  const addresses = new Map(
    [...claimed.values()]
      .map((path) => [origin(path), origin(path)] as const)
      .filter(([path]) => isAddress(path)),
  );
  for (const item of items) {
    if (isRefused(item) || isRemote(item)) continue;
    for (const path of inputPaths(item)) {
      const target = isAddress(path)
        ? addresses.get(shownPlace(path))
        : claimed.get(places.compared(await realpath(path).catch(() => resolve(path))));
      if (!target) continue;
      throw new OptionError(
        `The run would replace ${path}, which case ${item.id} is read from, by ${target}. Choose another output folder ` +
          'with -o, or give the sink a postfix.',
      );
    }
  }
}

/** Throws OptionError if a file is in the way that no run in this folder is known to have written. */
async function checkForeign(
  claimed: ReadonlyMap<string, string>,
  earlier: ReadonlyMap<string, string>,
  { wasThere, origin = (path) => path }: TargetRequest,
): Promise<void> {
  const names = new Map<string, Promise<ReadonlySet<string>>>();
  const namesIn = (folder: string) => {
    const known =
      names.get(folder) ??
      readdir(folder).then(
        (list) => new Set(list),
        () => new Set<string>(),
      );
    names.set(folder, known);
    return known;
  };
  const foreign: string[] = [];
  for (const [key, path] of claimed) {
    if (earlier.has(key)) continue;
    const there = wasThere ? wasThere(path) : (await namesIn(dirname(path))).has(basename(path));
    if (there) foreign.push(origin(path));
  }
  if (foreign.length === 0) return;
  const more = foreign.length > 3 ? ` and ${foreign.length - 3} more` : '';
  throw new OptionError(
    `The run would replace ${foreign.length} file(s) that no run in this folder is known to have written: ` +
      `${listNames(foreign.slice(0, 3))}${more}. Choose another output folder with -o, or allow it with --overwrite.`,
  );
}

function claimsFile(output: string): string {
  return join(output, '.voxstream', 'targets.json');
}

/** The files that belong to runs in a folder: those that were claimed, and those that finished cases name. */
async function readClaims(
  output: string,
  finished: ReadonlyMap<string, JournalEntry>,
  places: Places,
): Promise<Map<string, string>> {
  const text = await readFile(claimsFile(output), 'utf8').catch(() => '[]');
  const listed: unknown = JSON.parse(text);
  const paths = Array.isArray(listed) ? listed.map((path) => join(output, String(path))) : [];
  const outputs = [...finished.values()].flatMap((entry) => entry.outputs.map(({ path }) => path));
  const claims = new Map<string, string>();
  for (const path of [...paths, ...outputs]) {
    if (isInside(output, path)) claims.set(await places.keyOf(path), path);
  }
  return claims;
}

/** Whether a path is inside a folder. */
export function isInside(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== '' && inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

/** Finds out whether paths are the same place on a disk. */
class Places {
  readonly #folders = new Map<string, Promise<string>>();

  /** The form in which a path is compared: links in its folders resolved, then as `compared`. */
  async keyOf(path: string): Promise<string> {
    return this.compared(join(await this.#realFolder(dirname(path)), basename(path)));
  }

  /** A path regardless of letter case and Unicode form. */
  compared(path: string): string {
    return path.normalize('NFC').toLowerCase();
  }

  /** The real path of a folder; of one that does not exist yet, by its nearest parent that does. */
  #realFolder(folder: string): Promise<string> {
    let found = this.#folders.get(folder);
    if (!found) {
      found = realpath(folder).catch(async () => {
        const parent = dirname(folder);
        return parent === folder ? folder : join(await this.#realFolder(parent), basename(folder));
      });
      this.#folders.set(folder, found);
    }
    return found;
  }
}
