import { closeSync, openSync, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { DataError, show, showBytes } from '../errors.js';
import { memoryLimit } from '../machine.js';
import { readFault } from './aside.js';
import { safeName } from './safeName.js';
import { ZipArchive, type ZipBytes } from './zip.js';

/** The regular files of a zip archive on disk. */
export interface ZipIndex {
  /** Changes when the archive changes. */
  readonly state: string;
  /** When the archive was modified, in milliseconds since 1970. */
  readonly modified: number;
  /** The members by name, without a leading `./`. `name` is what the archive calls them. */
  readonly members: ReadonlyMap<string, { readonly name: string; readonly size: number }>;
  readonly zip: ZipArchive;
}

/** The archives that this thread has indexed. Only directories are kept, no content. */
const indexes = new Map<string, ZipIndex>();

/**
 * The regular files of a zip archive. Only its directory is read. The index is kept as long as the archive
 * does not change. macOS `._*` files and names that would leave the folder are ignored.
 *
 * @throws DataError if it is not a zip archive, or is cut off or damaged.
 */
export async function indexZip(archive: string): Promise<ZipIndex> {
  const { size, mtimeMs } = await stat(archive);
  const state = `${size} ${mtimeMs}`;
  const known = indexes.get(archive);
  if (known?.state === state) return known;
  const zip = explained(archive, () => new ZipArchive(bytesOf(archive, size)));
  const members = new Map<string, { name: string; size: number }>();
  for (const name of zip.names) {
    const safe = name.endsWith('/') ? undefined : safeName(name.replaceAll('\\', '/'));
    if (safe !== undefined) members.set(safe, { name, size: zip.sizeOf(name) ?? 0 });
  }
  const index = { state, modified: mtimeMs, members, zip };
  indexes.set(archive, index);
  return index;
}

/** The member that was unpacked last. Readers of DICOM read the same file several times, frame by frame. */
let last: { readonly key: string; readonly content: Uint8Array } | undefined;

/**
 * The bytes of a member of a zip archive, unpacked.
 *
 * @throws DataError if the member is encrypted or damaged, or takes more than a quarter of the memory.
 */
export async function readZipMember(archive: string, name: string): Promise<Uint8Array> {
  const { state, zip } = await indexZip(archive);
  const key = JSON.stringify([archive, state, name]);
  if (last?.key === key) return last.content;
  const limit = memoryLimit() / 4;
  const content = explained(archive, () => {
    const size = zip.sizeOf(name) ?? 0;
    if (size <= limit) return zip.read(name, limit);
    throw new DataError(
      `its member ${show(name)} has ${showBytes(size)}, but at most ${showBytes(limit)} can be unpacked on this ` +
        'machine',
    );
  });
  last = { key, content };
  return content;
}

/** The bytes of an archive. It is not kept open, because nobody would close it. */
function bytesOf(archive: string, size: number): ZipBytes {
  return {
    size,
    read: (at, length) => {
      const part = new Uint8Array(length);
      const descriptor = openSync(archive, 'r');
      try {
        for (let done = 0; done < length; ) {
          const count = readSync(descriptor, part, done, length - done, at + done);
          if (count === 0) throw new DataError('it became shorter while it was read');
          done += count;
        }
      } finally {
        closeSync(descriptor);
      }
      return part;
    },
  };
}

function explained<T>(archive: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DataError)) throw readFault(archive, error);
    throw new DataError(
      `${archive} cannot be read: ${error.message}. Copy or download it again, or unpack it and give the folder.`,
    );
  }
}
