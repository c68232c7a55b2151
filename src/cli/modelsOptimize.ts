import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { messageOf, showBytes } from '../errors.js';
import { cachedModels, findModel } from '../models/findModel.js';
import { checkModelFolder, writeModelFolder } from '../models/folder.js';
import { type OptimizedFor, optimizedModel, optimizedName } from '../models/optimizedModel.js';
import { chooseDevice } from '../runtime/chooseDevice.js';
import type { Vec3 } from '../volume/volume.js';
import { voxelSize } from './args.js';
import { note } from './clip.js';
import { print } from './print.js';
import { fieldLines, shortPath, showDifference } from './terminal.js';

interface OptimizeFlags extends Required<Pick<OptimizedFor, 'target' | 'precision'>> {
  readonly patch?: Vec3;
  readonly output?: string;
  readonly force?: boolean;
}

/** Why models cannot run on a device of this machine; undefined if they can. */
async function reasonAgainst(device: string): Promise<string | undefined> {
  return chooseDevice(device).then(
    () => undefined,
    (error) => messageOf(error).split('\n')[0],
  );
}

/** `voxstream models optimize`: rewrites a model for a device, as a separate model. */
export function addModelsOptimizeCommand(models: Command): void {
  models
    .command('optimize')
    .summary('rewrite a model for a device, as a separate model')
    .description(
      'Rewrites a model for a device and compares it with the original on windows of random numbers. ' +
        '"voxstream run" does this automatically and keeps the result in the cache. Use this command for a ' +
        'model to keep or to copy to another machine, and for half precision.',
    )
    .argument('<model>', 'model folder, .onnx file, or the name of a model')
    .addOption(
      new Option('--target <device>', 'the device; cuda also stands for tensorrt, coreml and dml')
        .choices(['cpu', 'webgpu', 'cuda'])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--precision <type>', 'number type of the computation; inputs and outputs stay float32')
        .choices(['float32', 'float16'])
        .default('float32'),
    )
    .option('--patch <x,y,z>', "window size in voxels (default: the patch on the model's card)", voxelSize)
    .option('-o, --output <dir>', 'folder to write (default: MODEL-TARGET in the cache)')
    .option('--force', 'replace a model in the folder')
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
      const unusable = target === 'cpu' ? undefined : await reasonAgainst(target);
      const lines = fieldLines([
        ['model', `${shortPath(folder)} (${showBytes(optimized.bytes.length)})`],
        ['for', `${target}, ${precision}, windows of ${optimized.card.input.patch.join(' x ')} voxels only`],
        ['passes', passes.join(', ') || 'none changed this model'],
        [
          'difference',
          `at most ${showDifference(maxDifference)} from the outputs of ${files.card.name}, on random ` +
            'windows, both run on the cpu',
        ],
        ...(unusable === undefined
          ? []
          : [['here', `this machine cannot run it. ${unusable} See "voxstream doctor".`] as const]),
        ['use it', `voxstream run PIPELINE --set model=${flags.output ?? made} --device ${target}`],
      ]);
      print(`${lines.join('\n')}\n`);
    });
}
