import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type BundleServer, downloadBundle, downloadLargeFiles } from '../bundle/download/downloadBundle.js';
import type { RemoteFile } from '../bundle/download/remoteFile.js';
import { note } from './clip.js';
import { downloadProgress } from './downloadProgress.js';
import { print, printError } from './print.js';
import { oneEntry, shortPath } from './terminal.js';

interface DownloadFlags {
  readonly output?: string;
  readonly from?: BundleServer;
  readonly force?: boolean;
}

/** Adds `voxstream bundle download`. */
export function addBundleDownloadCommand(bundle: Command): void {
  bundle
    .command('download')
    .summary('download a bundle, or its weights')
    .description(
      "Downloads a bundle of MONAI's model zoo from Hugging Face, or else from NGC, and the files that its " +
        'large_files.yml names. Files are checked against the published checksums. An interrupted download ' +
        'continues where it stopped. Programs (.ts), which only Python runs, are left out.\n\n' +
        "With a bundle's folder instead of a name, only the missing files of its large_files.yml are downloaded.",
    )
    .argument(
      '<name>',
      "the bundle's name, with a version where it is not the newest one: spleen_ct_segmentation@0.5.9; or a bundle's folder",
    )
    .option('-o, --output <dir>', 'the folder for the bundle (default: its name)')
    .addOption(
      new Option('--from <server>', 'where to download it from (default: huggingface, then ngc)').choices([
        'huggingface',
        'ngc',
      ]),
    )
    .option('--force', 'replace files in the folder that are not the published ones')
    .action(async (given: string, { output, from, force }: DownloadFlags) => {
      const say = (message: string) => printError(`${oneEntry(message)}\n`);
      const onFile = ({ path, size }: RemoteFile) => downloadProgress(path, size);
      try {
        if (existsSync(join(given, 'configs'))) {
          const paths = await downloadLargeFiles(given, { say, onFile });
          print(
            paths.length === 0 ? `${given} lacks no files.\n` : paths.map((path) => `${path}\n`).join(''),
          );
          return;
        }
        const [name, version] = given.split('@', 2);
        const folder = output ?? name;
        await downloadBundle({ name, folder, say, onFile, version, server: from, force });
        print(`${shortPath(folder)}\n`);
        printError(`See what it does: voxstream bundle info ${shortPath(folder)}\n`);
      } finally {
        note('');
      }
    });
}
