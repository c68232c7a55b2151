import type { Stats } from 'node:fs';
import { chmod, lstat, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../formats/aside.js';

/**
 * Creates a folder that only this user can enter. An existing folder must belong to this user or to root. The
 * user's own folder is made private. Windows has no such modes: there, folders are as private as their
 * parent.
 *
 * @throws Error when the folder belongs to somebody else or can be changed by others, or as `mkdir` does.
 */
export async function makePrivateFolder(folder: string): Promise<void> {
  await makeFolder(dirname(folder));
  await mkdir(folder, { mode: 0o700 }).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
  // Of a symbolic link, both the link and its target must be trusted.
  const target = await stat(folder);
  if (![await lstat(folder), target].every(isTrusted)) throw new Error(`${folder} belongs to another user`);
  if (isOwn(target) && (target.mode & 0o077) !== 0) await chmod(folder, 0o700);
  else if (isOpen(target)) throw new Error(`${folder} can be changed by other users`);
}

/** Whether a file exists, is a plain file of this user or of root, and cannot be changed by others. */
export async function isPrivateFile(file: string): Promise<boolean> {
  const stats = await lstat(file).catch(() => undefined);
  return stats?.isFile() === true && isTrusted(stats) && !isOpen(stats);
}

const user = process.getuid?.();

const isOwn = ({ uid }: Stats) => user !== undefined && uid === user;
const isTrusted = ({ uid }: Stats) => user === undefined || uid === user || uid === 0;
/** Whether the group or everybody may write. */
const isOpen = ({ mode }: Stats) => user !== undefined && (mode & 0o022) !== 0;
