import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type Case, makeCase } from '../case.js';
import { OptionError } from '../errors.js';
import { absoluteFile } from '../formats/inputFiles.js';
import {
  isRefused,
  isRemote,
  type OpenableSource,
  type RefusedCase,
  type RemoteCase,
  type SourceItem,
} from '../sources/define.js';

/**
 * Cases in one packed chunk. Neighbouring cases have much in common, e.g. the names of labels and most of
 * their paths, so a chunk takes little memory.
 */
export const chunkSize = 64;

/**
 * Checks that cases can be queued, and makes their paths absolute.
 *
 * @throws OptionError for cases that only their source can fetch.
 */
export function queueable(items: readonly SourceItem[], source: string): SourceItem[] {
  return items.map((item) => {
    if (isRefused(item)) return item;
    if (isRemote(item)) {
      if (item.description !== undefined) return item;
      throw new OptionError(
        `The source ${source} fetches its cases itself, which workers of a queue cannot do. Download the files first, ` +
          'or use "voxstream run" with --shard.',
      );
    }
    const files = Object.entries(item.files).map(([key, file]) => [key, absoluteFile(file)]);
    return { ...item, files: Object.fromEntries(files) };
  });
}

/** Packs cases into chunks. */
export function packItems(items: readonly SourceItem[]): Buffer[] {
  return Array.from({ length: Math.ceil(items.length / chunkSize) }, (_, i) => {
    const chunk = items.slice(i * chunkSize, (i + 1) * chunkSize).map((item) => {
      if (isRefused(item)) return item;
      if (isRemote(item)) {
        const { fetch: _, ...rest } = item;
        return rest;
      }
      // Sources give cases without results.
      const { volumes: _, metrics: __, timings: ___, ...rest } = item;
      return rest;
    });
    return deflateRawSync(JSON.stringify(chunk));
  });
}

type Packed = RefusedCase | Omit<RemoteCase, 'fetch'> | (Pick<Case, 'id'> & Partial<Case>);

/** Reads a chunk that `packItems` made. Remote cases are fetched as the source of the run does. */
export function unpackItems(chunk: Buffer, { fetcher }: Pick<OpenableSource, 'fetcher'>): SourceItem[] {
  const items: Packed[] = JSON.parse(inflateRawSync(chunk).toString());
  return items.map((item) => {
    if ('refused' in item) return item;
    if (!('description' in item)) return makeCase(item);
    if (fetcher) return { ...item, fetch: fetcher(item.description) };
    return {
      id: item.id,
      refused: 'Its source cannot fetch it on this worker. Is a package missing (--use)?',
    };
  });
}
