import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, ended, ModelError, messageOf, OptionError, show } from '../errors.js';
import { cacheFolder } from '../machine.js';
import { checksumOf } from '../models/checksum.js';
import { download, OfflineError } from '../models/download.js';
import { checkOptions } from '../options.js';

/** A dataset that can be downloaded as a tar archive. */
export interface Archive {
  readonly url: string;
  readonly md5: string;
  /** Bytes, where it is known. A download of another size is refused. */
  readonly size?: number;
  /** Modality and labels, for lists. */
  readonly content: string;
}

const address = 'https://msd-for-monai.s3-us-west-2.amazonaws.com';

/**
 * The archives of the Medical Segmentation Decathlon (Antonelli et al., Nature Communications 13, 2022;
 * CC-BY-SA 4.0). Addresses and checksums are those of MONAI's DecathlonDataset. Sizes in bytes are those that
 * other projects published beside these checksums; for the other archives, none was found.
 */
const decathlonArchives: readonly (readonly [name: string, md5: string, content: string, size?: number])[] = [
  [
    'Task01_BrainTumour',
    '240a19d752f0d9e9101544901065d872',
    'MR, 4 channels: edema and two tumor parts',
    7_608_266_240,
  ],
  ['Task02_Heart', '06ee59366e1e5124267b774dbd654057', 'MR: left atrium', 455_721_472],
  ['Task03_Liver', 'a90ec6c4aa7f6a3d087205e23d4e6397', 'CT: liver and tumor', 28_925_891_584],
  ['Task04_Hippocampus', '9d24dba78a72977dbd1d2e110310f31b', 'MR: two parts of the hippocampus'],
  ['Task05_Prostate', '35138f08b1efaef89d7424d2bcc928db', 'MR, 2 channels: two zones of the prostate'],
  ['Task06_Lung', '8afd997733c7fc0432f71255ba4e52dc', 'CT: tumor', 9_163_696_640],
  ['Task07_Pancreas', '4f7080cfca169fa8066d17ce6eb061e4', 'CT: pancreas and tumor', 12_289_971_712],
  ['Task08_HepaticVessel', '641d79e80ec66453921d997fbf12a29c', 'CT: vessels and tumor'],
  ['Task09_Spleen', '410d4a301da4e5b2f6f86ec3ddba524e', 'CT: spleen'],
  ['Task10_Colon', 'bad7a188931dc2f6acf72b08eb6202d0', 'CT: tumor'],
];

const archiveType = z
  .strictObject({
    url: z.url({ protocol: /^https?$/, error: 'an http or https address' }),
    md5: z.string().regex(/^[0-9a-f]{32}$/i, { error: '32 hexadecimal digits' }),
    size: z.int().positive().optional(),
    content: z.string().default(''),
  })
  .describe('An archive has url, md5, size (optional) and content (optional)');

const archiveList = {
  name: 'the list of archives',
  options: {},
  rest: archiveType,
  // A name becomes the name of a file.
  check: (archives: object) =>
    Object.keys(archives)
      .filter((name) => !/^[\w.-]+$/.test(name))
      .map((name) => `has the name ${show(name)}, but names consist of letters, digits, _, . and -`),
};

/**
 * The archives by name: those of the Decathlon, or those of a JSON file that maps names to `url`, `md5`,
 * `size` (optional) and `content`.
 *
 * @throws OptionError if the file cannot be read or is not such a map.
 */
export async function readArchives(file?: string): Promise<ReadonlyMap<string, Archive>> {
  if (file === undefined) {
    return new Map(
      decathlonArchives.map(([name, md5, content, size]) => [
        name,
        { url: `${address}/${name}.tar`, md5, content, ...(size !== undefined && { size }) },
      ]),
    );
  }
  const content = await readFile(file, 'utf8')
    .then((text) => JSON.parse(text))
    .catch((error) => {
      throw new OptionError(`${file} cannot be read as JSON: ${messageOf(error)}.`);
    });
  const { options, faults } = checkOptions(archiveList, content);
  if (options) return new Map(Object.entries(options));
  const sentences = faults.map(({ path, message }) =>
    ended(`${file}: ${path.join('.') || 'the list of archives'} ${message}`),
  );
  throw new OptionError(sentences.join('\n'));
}

/** Whether a name is that of an archive of the Decathlon. */
export function isDecathlonArchive(name: string): boolean {
  return decathlonArchives.some(([known]) => known === name);
}

/** Where the archive of a name is kept. A user may also put it there. */
export function archiveFile(name: string): string {
  return join(cacheFolder(), 'data', `${name}.tar`);
}

/**
 * Downloads an archive into the cache, unless it is already there. An interrupted download continues.
 *
 * @returns The path of the archive.
 * @throws ModelError if it cannot be downloaded, with what to put where; DataError if the existing file is
 * not the archive.
 */
export async function pullArchive(
  name: string,
  { url, md5, size }: Archive,
  onProgress?: (done: number, total: number | undefined) => void,
): Promise<string> {
  const file = archiveFile(name);
  if (!existsSync(file)) {
    const checksum = { algorithm: 'md5', value: md5 } as const;
    await download({ url, file, checksum, size, onProgress }).catch((error) => {
      if (!(error instanceof OfflineError)) throw error;
      throw new ModelError(
        `${error.message} On a machine with a connection, download\n  ${url}\nand copy it to\n  ${file}\n` +
          `Its MD5 is ${md5}. "voxstream data pull ${name}" checks it there without the network.`,
        { cause: error },
      );
    });
  } else if ((await checksumOf(file, 'md5')) !== md5.toLowerCase()) {
    throw new DataError(
      `${file} is not the file of ${url}: its MD5 must be ${md5}. Remove it to download it again.`,
    );
  }
  return file;
}
