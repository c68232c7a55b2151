import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type Case, makeCase } from '../case.js';
import { OptionError } from '../errors.js';
import { absoluteFile } from '../formats/inputFiles.js';
import { isRefused, isRemote, type RefusedCase, type SourceItem } from '../sources/define.js';

/** A case that is described by data alone, so that it can be queued. */
export type QueuedItem = Case | RefusedCase;

/**
 * Cases in one packed chunk. Neighbouring cases have much in common, e.g. the names of labels and most of
 * their paths, so a chunk takes little memory.
 */
export const chunkSize = 64;

/**
 * Checks that cases can be queued, and makes their paths absolute.
 *
 * @throws OptionError for cases that their source has to fetch.
 */
export function queueable(items: readonly SourceItem[], source: string): QueuedItem[] {
  return items.map((item) => {
    if (isRefused(item)) return item;
    if (isRemote(item)) {
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
export function packItems(items: readonly QueuedItem[]): Buffer[] {
  return Array.from({ length: Math.ceil(items.length / chunkSize) }, (_, i) => {
    const chunk = items.slice(i * chunkSize, (i + 1) * chunkSize).map((item) => {
      if (isRefused(item)) return item;
      // Sources give cases without results.
      const { volumes: _, metrics: __, timings: ___, ...rest } = item;
      return rest;
    });
    return deflateRawSync(JSON.stringify(chunk));
  });
}

/** Reads a chunk that `packItems` made. */
export function unpackItems(chunk: Buffer): QueuedItem[] {
  const items: (RefusedCase | (Pick<Case, 'id'> & Partial<Case>))[] = JSON.parse(
    inflateRawSync(chunk).toString(),
  );
  return items.map((item) => ('refused' in item ? item : makeCase(item)));
}
