import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ModelError } from '../errors.js';
import { cacheFolder } from '../machine.js';
import { type Checksum, checksumNames, checksumOf } from './checksum.js';
import { download, OfflineError } from './download.js';
import type { NewModel } from './folder.js';
import { importCheckpoint } from './importModel.js';
import type { RegistryEntry } from './registry.js';

/** Where the downloaded file of a registry's entry is kept. A user may also put it there. */
export function downloadedFile({ url }: RegistryEntry): string {
  return join(cacheFolder(), 'downloads', basename(new URL(url).pathname));
}

/**
 * Downloads a registry's model into the cache folder, unless the file is already there, and imports it.
 *
 * @throws ModelError when it cannot be downloaded, saying which file to put where, or as `importCheckpoint`
 * does.
 */
export async function pullModel(
  name: string,
  entry: RegistryEntry,
  onProgress?: (done: number, total: number | undefined) => void,
): Promise<NewModel> {
  const file = downloadedFile(entry);
  const checksum: Checksum = entry.sha256
    ? { algorithm: 'sha256', value: entry.sha256 }
    : { algorithm: 'md5', value: entry.md5 as string };
  if (!existsSync(file)) {
    const { url, size } = entry;
    await download({ url, file, checksum, size, onProgress }).catch((error) => {
      if (!(error instanceof OfflineError)) throw error;
      throw new ModelError(
        `${error.message} On a machine with a connection, download\n  ${url}\nand copy it to\n  ${file}\n` +
          `Then "voxstream models pull ${name}" imports it without the network.`,
        { cause: error },
      );
    });
  } else if ((await checksumOf(file, checksum.algorithm)) !== checksum.value.toLowerCase()) {
    throw new ModelError(
      `${file} is not the file of ${entry.url}: its ${checksumNames[checksum.algorithm]} must be ` +
        `${checksum.value}. Remove it to download it again.`,
    );
  }
  const { type, ...config } = entry.network;
  const card = { ...entry.card, name, url: entry.url };
  return importCheckpoint(file, { type, config }, card, entry.prefix);
}
