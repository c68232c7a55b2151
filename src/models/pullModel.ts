import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ModelError } from '../errors.js';
import { partialSuffix } from '../formats/aside.js';
import { cacheFolder } from '../machine.js';
import { type Checksum, checksumNames, checksumOf } from './checksum.js';
import { type DownloadOptions, download, OfflineError } from './download.js';
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
  let { url } = entry;
  if (!existsSync(file)) {
    url = await downloadFromAny(name, entry, { file, checksum, onProgress });
  } else if ((await checksumOf(file, checksum.algorithm)) !== checksum.value.toLowerCase()) {
    throw new ModelError(
      `${file} is not the file of ${entry.url}: its ${checksumNames[checksum.algorithm]} must be ` +
        `${checksum.value}. Remove it to download it again.`,
    );
  }
  const { type, ...config } = entry.network;
  const card = { ...entry.card, name, url };
  return importCheckpoint(file, { type, config }, card, entry.prefix);
}

/**
 * Downloads the file of an entry from the first of its addresses that has it.
 *
 * @returns That address.
 */
async function downloadFromAny(
  name: string,
  { url, mirrors = [], size }: RegistryEntry,
  options: Pick<DownloadOptions, 'file' | 'checksum' | 'onProgress'>,
): Promise<string> {
  const urls = [url, ...mirrors];
  const faults: ModelError[] = [];
  for (const one of urls) {
    try {
      await download({ ...options, url: one, size });
      return one;
    } catch (error) {
      // A part of the file can only be continued at the same address.
      const partly = existsSync(`${options.file}${partialSuffix}`);
      if (partly || !(error instanceof ModelError)) throw error;
      faults.push(error);
    }
  }
  const message = faults.map((fault) => fault.message).join('\n');
  if (!faults.some((fault) => fault instanceof OfflineError))
    throw new ModelError(message, { cause: faults[0] });
  const addresses = urls.map((one) => `  ${one}\n`).join('or\n');
  throw new ModelError(
    `${message} On a machine with a connection, download\n${addresses}and copy it to\n  ${options.file}\n` +
      `Then "voxstream models pull ${name}" imports it without the network.`,
    { cause: faults[0] },
  );
}
