import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { showBytes } from '../errors.js';
import { cachedModels, findModel } from '../models/findModel.js';
import { checkModelFolder, writeModelFolder } from '../models/folder.js';
import { type OptimizedFor, optimizedModel, optimizedName } from '../models/optimizedModel.js';
import type { Vec3 } from '../volume/volume.js';
import { voxelSize } from './args.js';
import { fieldLines, note, shortPath, showDifference } from './terminal.js';

interface OptimizeFlags extends Required<Pick<OptimizedFor, 'target' | 'precision'>> {
  readonly patch?: Vec3;
  readonly output?: string;
  readonly force?: boolean;
}

/** `voxstream models optimize`: a model rewritten for a device, as a model of its own. */
export function addModelsOptimizeCommand(models: Command): void {
  models
    .command('optimize')
    .summary('rewrite a model for a device, as a model of its own')
    .description(
      'Rewrites a model for a device and compares it with the original on windows of random numbers. "voxstream run" does this by ' +
        'itself and keeps what it made in the cache; this command is for a form to keep or to take elsewhere, and for half precision.',
    )
    .argument('<model>', 'model folder, .onnx file, or the name of a model')
    .addOption(
      new Option('--target <device>', 'where it will run; cuda is also for tensorrt, coreml and dml')
        .choices(['cpu', 'webgpu', 'cuda'])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--precision <type>', 'what it computes in; inputs and outputs stay float32')
        .choices(['float32', 'float16'])
        .default('float32'),
    )
    .option(
      '--patch <x,y,z>',
      "size of its windows in voxels (default: the patch on the model's card)",
      voxelSize,
    )
    .option(
      '-o, --output <dir>',
      'folder to write (default: one named MODEL-TARGET in the cache, found by name)',
    )
    .option('--force', 'replace a model that is in the folder')
    .action(async (name: string, flags: OptimizeFlags) => {
      const { target, precision, force = false } = flags;
      const files = await findModel(name, [resolve('models')]);
      const made = optimizedName(files.card.name, target, precision);
      const folder = resolve(flags.output ?? join(cachedModels(), made));
      await checkModelFolder(folder, force);
      note(`Rewriting ${files.card.name} for ${target}, and comparing it with the original …`);
      const optimized = await optimizedModel(files, { target, precision, roiSize: flags.patch }).finally(() =>
        note(''),
      );
      await writeModelFolder(folder, optimized, force);
      const { passes, maxDifference } = optimized.card.optimized;
      const lines = fieldLines([
        ['model', `${shortPath(folder)} (${showBytes(optimized.bytes.length)})`],
        ['for', `${target}, ${precision}, windows of ${optimized.card.input.patch.join(' x ')} voxels only`],
        ['passes', passes.join(', ') || 'none changes this model'],
        [
          'difference',
          `${showDifference(maxDifference)} at most, from the outputs of ${files.card.name} on random windows`,
        ],
        ['use it', `voxstream run PIPELINE --set model=${flags.output ?? made} --device ${target}`],
      ]);
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}
