import { stat } from 'node:fs/promises';
import { indexTar } from './tar.js';
import { indexZip } from './zipFiles.js';

/** Where the bytes of a file are: in a file on disk, or inside an archive. */
export interface FilePlace {
  /** The file to open. */
  readonly file: string;
  /** Its first byte in that file; 0 for a member of a zip archive. */
  readonly offset: number;
  /** Bytes, unpacked. */
  readonly size: number;
  /** Modification time in milliseconds since 1970; for a member of a tar archive, the one noted there. */
  readonly modified: number;
  /** The member of a zip archive that has to be unpacked. */
  readonly zipMember?: string;
}

/** True for archives whose members are read without unpacking them to a disk. */
export function isArchive(file: string): boolean {
  return /\.(tar|zip)$/i.test(file);
}

/**
 * The names of the regular files in a tar or zip archive. macOS `._*` files and names that would leave the
 * folder are ignored.
 *
 * @throws DataError if the archive is damaged, cut off or compressed as a whole.
 */
export async function namesInArchive(archive: string): Promise<string[]> {
  if (/\.zip$/i.test(archive)) return [...(await indexZip(archive)).members.keys()];
  return [...(await indexTar(archive)).keys()];
}

/**
 * Where a file's bytes are. A path that continues after an archive,
 * `Task09_Spleen.tar/Task09_Spleen/dataset.json` or `ct.zip/IM0001`, means that member of the archive.
 * Undefined if there is no such file or member.
 *
 * @throws DataError for an archive that is damaged or compressed, and the system's error if the path cannot
 * be examined.
 */
export async function findFile(path: string): Promise<FilePlace | undefined> {
  for (const match of path.matchAll(/\.(tar|zip)(?=[\\/])/gi)) {
    const archive = path.slice(0, match.index + match[0].length);
    if (!(await stat(archive).catch(() => undefined))?.isFile()) continue;
    const name = path.slice(archive.length + 1).replaceAll('\\', '/');
    if (match[1].toLowerCase() === 'tar') {
      const member = (await indexTar(archive)).get(name);
      return member && { file: archive, ...member };
    }
    const { members, modified } = await indexZip(archive);
    const member = members.get(name);
    return member && { file: archive, offset: 0, size: member.size, modified, zipMember: member.name };
  }
  try {
    const { size, mtimeMs } = await stat(path);
    return { file: path, offset: 0, size, modified: mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
