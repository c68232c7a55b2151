import { dirname } from 'node:path';
import { folderOf, isAddress, shownPlace } from '../address.js';
import type { Case, CaseFile } from '../case.js';
import { VoxError } from '../errors.js';
import { inputPaths, mapPaths } from '../formats/inputFiles.js';
import { isRefused, isRemote, type SourceItem } from '../sources/define.js';
import { type LocalCopy, localCopy } from '../storage/cache.js';
import type { FileState } from './journal.js';
import { StepFailure } from './steps.js';

/** A case whose files were brought to this machine. */
export interface LocalCase {
  /** The case with paths instead of addresses. */
  readonly subject: Case;
  /** The same file with the addresses that its copies came from. */
  readonly origin: (file: CaseFile) => CaseFile;
  /** The states of files, with those of copies where they came from. */
  readonly states: (states: readonly FileState[]) => FileState[];
  /** An error that names addresses instead of the paths of copies. */
  readonly error: (error: unknown) => unknown;
  /** A text that names addresses instead of the paths of copies. */
  readonly text: (text: string) => string;
  /** Gives the copies back to the cache. */
  readonly release: () => Promise<void>;
}

/** Whether a case has files at addresses. */
export function isElsewhere(item: Case): boolean {
  return inputPaths(item).some(isAddress);
}

/** Whether an item is a case whose files are on this machine already. */
export function isHere(item: SourceItem): item is Case {
  return !isRefused(item) && !isRemote(item) && !isElsewhere(item);
}

/** Downloads of a case at the same time. */
const atOnce = 4;

/**
 * Brings the files of a case here that are at addresses.
 *
 * @throws DataError or OptionError if one of them cannot be had.
 */
export async function bringCase(item: Case, signal: AbortSignal): Promise<LocalCase> {
  const addresses = [...new Set(inputPaths(item).filter(isAddress))];
  const copies = new Map<string, LocalCopy>();
  const release = async () => {
    for (const copy of copies.values()) await copy.release();
  };
  const waiting = addresses.values();
  const work = async () => {
    for (const address of waiting) copies.set(address, await localCopy(address, signal));
  };
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, work));
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed) {
    await release();
    throw failed.reason;
  }
  const origins = new Map([...copies].map(([address, { path }]) => [path, shownPlace(address)]));
  const infos = new Map([...copies.values()].map(({ path, info }) => [path, info]));
  // Messages about a series name its folder.
  const folders = [...origins].map(([path, address]) => [dirname(path), folderOf(address)] as const);
  const text = (given: string) =>
    [...origins, ...folders].reduce((named, [path, address]) => named.replaceAll(path, address), given);
  const files = Object.entries(item.files).map(([key, file]) => [
    key,
    mapPaths(file, (path) => copies.get(path)?.path ?? path),
  ]);
  return {
    subject: { ...item, files: Object.fromEntries(files) },
    origin: (file) => mapPaths(file, (path) => origins.get(path) ?? path),
    states: (states) =>
      states.map((state) => {
        const info = infos.get(state.path);
        const path = origins.get(state.path) ?? state.path;
        return info ? { ...state, ...info, path } : state;
      }),
    error: (error) => renamed(error, text),
    text,
    release,
  };
}

/**
 * Calls `use` with a case whose files are on this machine: those at addresses are brought here meanwhile.
 * `text` puts their addresses into texts that name the copies.
 */
export async function withLocalCase<T>(
  item: Case,
  use: (here: Case, text: LocalCase['text']) => Promise<T>,
): Promise<T> {
  const local = await bringCase(item, new AbortController().signal);
  try {
    return await use(local.subject, local.text);
  } catch (error) {
    throw local.error(error);
  } finally {
    await local.release();
  }
}

/** The error with another message. */
function renamed(error: unknown, text: (message: string) => string): unknown {
  if (error instanceof StepFailure) return new StepFailure(error.step, renamed(error.reason, text));
  if (error instanceof VoxError) error.message = text(error.message);
  return error;
}
