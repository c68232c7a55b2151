import type { Command } from 'commander';
import { addBundleConvertCommand } from './bundleConvert.js';
import { addBundleDownloadCommand } from './bundleDownload.js';
import { addBundleExportCommands } from './bundleExports.js';
import { addBundleInfoCommand, addBundleVerifyCommand } from './bundleInfo.js';
import { addBundleInitCommand } from './bundleInit.js';
import { addBundleResolveCommand } from './bundleResolve.js';
import { addBundleRunCommand } from './bundleRun.js';

/** `voxstream bundle`: run MONAI bundles as they are. */
export function addBundleCommand(program: Command): void {
  const bundle = program
    .command('bundle')
    .summary('run MONAI bundles without Python')
    .description(
      'Runs MONAI bundles without Python. A bundle is a folder with configs/, models/ and docs/. Its configurations are read as they are, ' +
        'and Python code is never run.',
    );
  addBundleRunCommand(bundle);
  addBundleInfoCommand(bundle);
  addBundleVerifyCommand(bundle);
  addBundleConvertCommand(bundle);
  addBundleDownloadCommand(bundle);
  addBundleResolveCommand(bundle);
  addBundleInitCommand(bundle);
  addBundleExportCommands(bundle);
}
