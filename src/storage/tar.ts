import { shownPlace } from '../address.js';
import { indexTarFile, type ReadAt, type TarIndex } from '../formats/tar.js';
import type { FileInfo } from './define.js';
import { storageOf } from './index.js';
import { continued, retried } from './retry.js';

/** A tar archive at an address. */
export interface RemoteTar {
  readonly info: FileInfo;
  readonly index: TarIndex;
}

/** How long an archive counts as unchanged without asking, in ms. Each of its members would ask otherwise. */
const fresh = 10_000;

const found = new Map<string, { readonly at: number; readonly tar: Promise<RemoteTar | undefined> }>();

/**
 * The regular files of a tar archive at an address. Only its headers are read; see `indexTar`. Undefined if
 * there is no such file.
 *
 * @throws DataError if it is not such an archive, or is cut off.
 */
export function tarIndexAt(archive: string): Promise<RemoteTar | undefined> {
  const known = found.get(archive);
  if (known && performance.now() - known.at < fresh) return known.tar;
  const tar = indexAt(archive);
  found.set(archive, { at: performance.now(), tar });
  tar.catch(() => found.delete(archive));
  return tar;
}

async function indexAt(archive: string): Promise<RemoteTar | undefined> {
  const storage = storageOf(archive);
  const info = await retried(() => storage.stat(archive));
  if (!info) return undefined;
  const { size, modified, tag } = info;
  const read: ReadAt = async (into, at) => {
    const end = Math.min(at + into.length, size);
    let length = 0;
    const open = (start: number, signal: AbortSignal) =>
      storage.read(archive, { start, end, ...(tag && { tag }) }, signal);
    for await (const chunk of continued({ start: at, end }, shownPlace(archive), open)) {
      into.set(chunk, length);
      length += chunk.length;
    }
    return length;
  };
  const state = `${size} ${modified} ${tag ?? ''}`;
  return { info, index: await indexTarFile({ name: archive, size, state, open: (work) => work(read) }) };
}
