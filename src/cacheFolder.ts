import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder `voxstream` in the user's cache folder: downloaded and rewritten models, cached cases. */
export function cacheFolder(): string {
  const { VOXSTREAM_CACHE: own, XDG_CACHE_HOME: all } = process.env;
  return own || join(all || join(homedir(), '.cache'), 'voxstream');
}
