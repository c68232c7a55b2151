import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ModelError, OptionError } from '../../errors.js';
import { makeFolder, writeAside } from '../../formats/aside.js';
import { indexZip, readZipMember } from '../../formats/zipFiles.js';
import { cacheFolder } from '../../machine.js';
import { checksumOf } from '../../models/checksum.js';
import { download, OfflineError } from '../../models/download.js';
import { NotThere } from '../../models/requestJson.js';
import { huggingFacePage, listHuggingFace } from './huggingFace.js';
import { largeFilesOf } from './largeFiles.js';
import { findArchive, zooList } from './ngc.js';
import type { RemoteFile } from './remoteFile.js';

/** Where bundles come from. */
export type BundleServer = 'huggingface' | 'ngc';

/** What to download, and how. */
export interface BundleDownload {
  readonly name: string;
  /** The bundle's folder. */
  readonly folder: string;
  /** Default: the newest one. */
  readonly version?: string;
  /** Default: Hugging Face, and NGC where it does not have the bundle. */
  readonly server?: BundleServer;
  /** Replace files in the folder that are not the published ones. Default: an error. */
  readonly force?: boolean;
  /** The address of the zoo's list; see `findArchive`. */
  readonly zooList?: string;
  /** Called with sentences about what happens. */
  readonly say: (message: string) => void;
  /** Makes the progress display of a file. */
  readonly onFile?: (file: RemoteFile) => (done: number, total: number | undefined) => void;
}

/** TorchScript and TensorRT programs, which only Python runs, and files of the repository itself. */
const skipped = /\.ts$|(^|\/)\.git/;

/**
 * Downloads a bundle of MONAI's model zoo: its files, and those that its `large_files.yml` names. What is
 * there already and has the right checksum is kept, and an interrupted download continues.
 *
 * @throws ModelError when it cannot be downloaded, saying what to do without a connection; OptionError if the
 * folder holds other files of the same names.
 */
export async function downloadBundle(options: BundleDownload): Promise<void> {
  const { name, folder, version, server, say } = options;
  if (!/^[A-Za-z]\w*$/.test(name)) {
    throw new OptionError(`"${name}" is not the name of a bundle, e.g. spleen_ct_segmentation.`);
  }
  try {
    if (server === 'ngc') await fromNgc(options);
    else {
      await fromHuggingFace(options).catch(async (error: unknown) => {
        if (!(error instanceof NotThere) || server === 'huggingface') throw error;
        say(`${error.message} Trying NGC.`);
        await fromNgc(options);
      });
    }
    await downloadLargeFiles(folder, options);
  } catch (error) {
    if (!(error instanceof OfflineError)) throw error;
    throw new ModelError(
      `${error.message} On a machine with a connection, download the files of\n` +
        `  ${huggingFacePage(name, version ?? 'main')}\nor the archive that\n  ${options.zooList ?? zooList}\n` +
        `names under "${name}_v${version ?? 'VERSION'}", and copy them to the folder\n  ${folder}\n` +
        'The same command then checks them and adds what is missing.',
      { cause: error },
    );
  }
}

/**
 * Downloads the files that a bundle's `large_files.yml` names and that are missing.
 *
 * @returns The paths of those that were downloaded.
 * @throws ModelError when one cannot be downloaded, saying where to put it.
 */
export async function downloadLargeFiles(
  folder: string,
  options: Pick<BundleDownload, 'say' | 'onFile'>,
): Promise<string[]> {
  const missing = largeFilesOf(folder).filter(
    ({ path }) => !skipped.test(path) && !existsSync(join(folder, path)),
  );
  for (const file of missing) {
    await get(file, join(folder, file.path), options).catch((error: unknown) => {
      if (!(error instanceof ModelError)) throw error;
      throw new ModelError(
        `${error.message} Download\n  ${file.url}\nin another way, and copy it to\n  ${join(folder, file.path)}`,
        { cause: error },
      );
    });
  }
  return missing.map(({ path }) => path);
}

async function fromHuggingFace(options: BundleDownload): Promise<void> {
  const { name, folder, version = 'main' } = options;
  const files = (await listHuggingFace(name, version)).filter(({ path }) => !skipped.test(path));
  const differing: string[] = [];
  const missing: RemoteFile[] = [];
  for (const file of files) {
    const path = join(folder, file.path);
    if (!existsSync(path)) missing.push(file);
    else if (!(await isSame(path, file))) differing.push(file.path);
  }
  refuseDiffering(differing, options);
  const again = files.filter(({ path }) => differing.includes(path));
  for (const file of [...missing, ...again]) {
    const path = join(folder, file.path);
    if (!again.includes(file)) await get(file, path, options);
    else await replace(file, path, options);
  }
}

/** Replaces a file once the new one is there. */
async function replace(file: RemoteFile, path: string, options: BundleDownload): Promise<void> {
  const aside = join(cacheFolder(), 'downloads', `${options.name}-${basename(path)}`);
  await get(file, aside, options);
  await copy(path, await readFile(aside));
}

async function isSame(path: string, { checksum }: RemoteFile): Promise<boolean> {
  return !checksum || (await checksumOf(path, checksum.algorithm)) === checksum.value.toLowerCase();
}

async function fromNgc(options: BundleDownload): Promise<void> {
  const { name, folder, version } = options;
  const archive = await findArchive(name, version, options.zooList);
  const file = join(cacheFolder(), 'downloads', archive.path);
  if (existsSync(file) && !(await isSame(file, archive))) {
    throw new ModelError(`${file} is not the archive of ${archive.url}. Remove it to download it again.`);
  }
  if (!existsSync(file)) await get(archive, file, options);
  const { members } = await indexZip(file);
  const wanted = [...members].flatMap(([path, member]) => {
    const inside = path.startsWith(`${name}/`) ? path.slice(name.length + 1) : path;
    return skipped.test(inside) ? [] : [{ path: inside, member: member.name }];
  });
  const differing: string[] = [];
  for (const { path, member } of wanted) {
    const target = join(folder, path);
    if (!existsSync(target)) continue;
    const same = Buffer.compare(await readFile(target), await readZipMember(file, member)) === 0;
    if (!same) differing.push(path);
  }
  refuseDiffering(differing, options);
  for (const { path, member } of wanted) {
    const target = join(folder, path);
    if (existsSync(target) && !differing.includes(path)) continue;
    await copy(target, await readZipMember(file, member));
  }
}

function refuseDiffering(
  differing: readonly string[],
  { folder, force }: Pick<BundleDownload, 'folder' | 'force'>,
): void {
  if (force || differing.length === 0) return;
  throw new OptionError(
    `${folder} holds files that are not the published ones: ${differing.slice(0, 5).join(', ')}` +
      `${differing.length > 5 ? ` and ${differing.length - 5} more` : ''}. Move them away, name another folder with -o, ` +
      'or replace them with --force.',
  );
}

async function copy(target: string, content: Uint8Array): Promise<void> {
  await writeAside(target, (temporary) => writeFile(temporary, content));
}

async function get(
  file: RemoteFile,
  target: string,
  { say, onFile }: Pick<BundleDownload, 'say' | 'onFile'>,
): Promise<void> {
  const { url, checksum, size, statedBy } = file;
  if (size === 0) return copy(target, new Uint8Array());
  await makeFolder(join(target, '..'));
  const onProgress = onFile?.(file);
  await download({ url, file: target, checksum, size, statedBy, ...(onProgress && { onProgress }) });
  if (!checksum) {
    say(
      `${file.path} was not checked: ${statedBy} states no checksum. Its SHA-256 is ${await checksumOf(target, 'sha256')}.`,
    );
  }
}
