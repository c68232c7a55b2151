import { existsSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import { addressInside, isAddress, shownPlace } from '../address.js';
import type { Case, CaseFile } from '../case.js';
import { DataError } from '../errors.js';
import {
  callable,
  configurator,
  type Definition,
  type Described,
  type GivenOptions,
  type OptionsThen,
  type OptionTypes,
  type OptionValues,
  parseOptions,
  type RestValues,
} from '../options.js';

/** A case that cannot be opened. It is recorded as a failure. */
export interface RefusedCase {
  readonly id: string;
  /** The reason, as a full sentence. */
  readonly refused: string;
}

/** A case whose files are elsewhere, e.g. on a server, until it is opened. */
export interface RemoteCase {
  readonly id: string;
  /** Changes if its files do, e.g. a hash of what a server lists. A resumed run compares it. */
  readonly fingerprint: string;
  /**
   * Brings its files here. The engine calls it when the case starts, and stops it by `signal`. Throws
   * DataError if the files cannot be had.
   */
  readonly fetch: Fetch;
  /**
   * What the source needs to fetch the case in another process, as plain data without secrets; see `fetcher`.
   * Cases without it cannot be put on a queue.
   */
  readonly description?: unknown;
}

/** Brings the files of a remote case here. */
export type Fetch = (signal: AbortSignal) => Promise<FetchedCase>;

/** A remote case whose files are here. */
export interface FetchedCase {
  readonly item: Case | RefusedCase;
  /** Removes the files. The engine calls it when the case ends. */
  readonly release: () => Promise<void>;
}

/** An item of a source: a case without voxels, one that has to be fetched first, or one that was rejected. */
export type SourceItem = Case | RemoteCase | RefusedCase;

/** True for a case that cannot be opened. */
export function isRefused(item: SourceItem): item is RefusedCase {
  return 'refused' in item;
}

/** True for a case that has to be fetched before it is opened. */
export function isRemote(item: SourceItem): item is RemoteCase {
  return 'fetch' in item;
}

/** What a source receives besides its options. */
export interface SourceContext {
  /** Called with full sentences about things that the source left out or assumed. */
  readonly onWarning: (message: string) => void;
}

/** A source with validated options. */
export interface OpenableSource {
  /**
   * Lists the cases in dataset order. Throws OptionError or DataError if the dataset does not exist.
   *
   * @param context Default: warnings go to `process.emitWarning`.
   */
  readonly open: (context?: SourceContext) => AsyncIterable<SourceItem>;
  /** How a remote case is fetched that another process listed, by its description. */
  readonly fetcher?: (description: unknown) => Fetch;
}

const standalone: SourceContext = { onWarning: (message) => process.emitWarning(message) };

/** The single definition of a source. Its types, help, JSON Schema and reference page all derive from it. */
export interface SourceSpec<T extends OptionTypes, Rest extends z.ZodType> extends Described<T, Rest> {
  /** Lists the cases in dataset order. Throws OptionError or DataError if the dataset does not exist. */
  readonly open: (
    options: OptionValues<T> & RestValues<Rest>,
    context: SourceContext,
  ) => AsyncIterable<SourceItem>;
  /**
   * How a remote case is fetched that another process listed, by its description. A source of remote cases
   * without it cannot be queued.
   */
  readonly fetcher?: (options: OptionValues<T> & RestValues<Rest>, description: unknown) => Fetch;
}

/** A source of any option type, as a registry stores it. */
export type AnySource = Definition<OpenableSource>;

/**
 * A source. Call it with options to get its cases, e.g. `from(decathlon({ … }))` in RxJS, or register it to
 * use it in pipeline files. The iteration throws DataError at a case that cannot be opened. Files that it
 * fetches are kept until the process ends; a run removes them with each case.
 *
 * @throws OptionError when called with invalid options.
 */
export interface Source<
  T extends OptionTypes,
  Rest extends z.ZodType = never,
  Given = GivenOptions<T> & RestValues<Rest>,
> extends AnySource {
  (...args: OptionsThen<T, Given>): AsyncGenerator<Case>;
  readonly options: T;
  /** Never set. It carries the type of the options; see `OptionsOf`. */
  readonly given?: Given;
}

/** Defines a source. */
export function source<const T extends OptionTypes, Rest extends z.ZodType = never>(
  spec: SourceSpec<T, Rest>,
): Source<T, Rest> {
  const { open, fetcher, ...described } = spec;
  const configure = configurator(
    spec,
    (options): OpenableSource => ({
      open: (context = standalone) => open(options, context),
      ...(fetcher && { fetcher: (description) => fetcher(options, description) }),
    }),
  );
  const call = (options?: GivenOptions<T> & RestValues<Rest>) =>
    casesOf(open(parseOptions(spec, options), standalone));
  return callable(call, { ...described, configure });
}

async function* casesOf(items: AsyncIterable<SourceItem>): AsyncGenerator<Case> {
  for await (const listed of items) {
    // Nobody says when such a case ends, so its files stay until the process does.
    const item = isRemote(listed) ? (await listed.fetch(new AbortController().signal)).item : listed;
    if (isRefused(item)) throw new DataError(item.refused);
    yield item;
  }
}

/**
 * The absolute path or the address of a dataset's entry, or undefined if it is outside `root` because of
 * `..`, an absolute path or an address. Symbolic links inside the dataset are followed: they belong to the
 * dataset. Backslashes separate folders, since datasets are also made on Windows.
 */
export function pathInside(root: string, entry: string): string | undefined {
  if (isAddress(root)) return addressInside(root, entry);
  if (isAddress(entry)) return undefined;
  if (sep !== '\\' && /^[A-Za-z]:[\\/]/.test(entry)) return undefined;
  const literal = resolve(root, entry);
  const path =
    entry.includes('\\') && !existsSync(literal) ? resolve(root, entry.replaceAll('\\', '/')) : literal;
  const inside = relative(resolve(root), path);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return undefined;
  return storedPath(path);
}

/** The path as the file system has it: accents may be stored composed (NFC) or decomposed (NFD, macOS). */
export function storedPath(path: string): string {
  const forms = [path, path.normalize('NFC'), path.normalize('NFD')];
  if (forms[1] === forms[2]) return path;
  return forms.find((form) => existsSync(form)) ?? path;
}

/** What a dataset says about a case besides its files. */
type CaseFacts = Pick<Case, 'labelNames' | 'regions' | 'ignoreLabel'>;

/**
 * A case made of files that a dataset names. It is rejected if one of them is outside the dataset's folder.
 * Several files of a key become channels of one volume.
 *
 * @param hint What to do about a file outside of the folder, as a sentence.
 */
export function caseInside(
  id: string,
  root: string,
  entries: Readonly<Record<string, string | readonly string[]>>,
  facts: CaseFacts = {},
  hint = '',
): SourceItem {
  const files: Record<string, CaseFile> = {};
  for (const [key, entry] of Object.entries(entries)) {
    const names = [entry].flat();
    const paths = names.map((name) => pathInside(root, name));
    const outside = names.find((_, i) => paths[i] === undefined);
    if (outside !== undefined) {
      return {
        id,
        refused:
          `The ${key} of case ${id} is "${shownPlace(outside)}", which is outside the dataset's folder ` +
          `${shownPlace(root)}. Files ` +
          `outside it are not read.${hint && ` ${hint}`}`,
      };
    }
    const found = paths.flatMap((path) => (path === undefined ? [] : [path]));
    files[key] = found.length === 1 ? found[0] : { channels: found };
  }
  return { id, files, volumes: {}, metrics: [], timings: {}, ...facts };
}
