import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where downloaded and rewritten models are kept: `voxstream` in the user's cache folder. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'voxstream');
}
