import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { parse as parseYaml } from 'yaml';
import { networkOf as networkOfConfig, readModelConfig } from '../bundle/import/modelConfig.js';
import { checkCheckpoint, readBundle } from '../bundle/import/readBundle.js';
import { listNames, messageOf, OptionError, show } from '../errors.js';
import { readFault } from '../formats/aside.js';
import { cachedModels } from '../models/findModel.js';
import { checkModelFolder, type NewModel, type NewModelSet, writeModelFolder } from '../models/folder.js';
import { type CardFields, importCheckpoint, importOnnx } from '../models/importModel.js';
import { importNnunet, openEach } from '../models/nnunet/importNnunet.js';
import { findTrained, trainedAround } from '../models/nnunet/trainedFolder.js';
import { withNnunetZip } from '../models/nnunet/zip.js';
import { isTree, readTree, type Tree } from '../models/tree.js';
import type { NamedNetwork } from '../onnx/builders/network.js';
import { networkNames } from '../onnx/builders/networks/index.js';
import { withMonaiVersion } from '../onnx/builders/withMonaiVersion.js';
import type { Vec3 } from '../volume/volume.js';
import { collect, commaList, voxelSize } from './args.js';
import { note } from './clip.js';
import { cardLines } from './modelCard.js';
import { print } from './print.js';

/** The package's pipeline for models of nnU-Net. */
const nnunetPipeline = 'pipelines/nnunet.yaml';

interface ImportFlags {
  readonly network?: string;
  readonly config?: string;
  readonly set?: readonly string[];
  readonly checkpoint?: string;
  readonly prefix?: string;
  readonly monaiVersion?: string;
  readonly folds?: readonly string[];
  readonly name?: string;
  readonly labels?: readonly string[];
  readonly patch?: Vec3;
  readonly axes?: string;
  readonly card?: string;
  readonly output?: string;
  readonly force?: boolean;
}

/** `voxstream models import`: makes a model folder from a checkpoint, a bundle or an ONNX file. */
export function addModelsImportCommand(models: Command): void {
  models
    .command('import')
    .summary('make a model from a checkpoint, a bundle, nnU-Net or ONNX')
    .description(
      'Makes a model folder from a PyTorch checkpoint (.pt, .pth), a MONAI bundle (its folder), a model that ' +
        'nnU-Net v2 trained (its folder TRAINER__PLANS__CONFIGURATION, the folder of its dataset, or its zip) or an ONNX ' +
        'file. No Python is needed, and nothing in the files is executed. The model is run once before it ' +
        'is written.',
    )
    .argument('<source>', 'checkpoint, bundle folder, nnU-Net folder or zip, or .onnx file')
    .option('--network <name>', `the network of a checkpoint: ${networkNames.join(', ')}`)
    .option(
      '--config <file>',
      "the network's parameters under MONAI's names, YAML or JSON; or a bundle's inference.json, or a " +
        "model's metadata.json",
    )
    .option(
      '--set <name=value>',
      'one parameter of the network, e.g. --set in_channels=2 (repeatable)',
      collect,
    )
    .option(
      '--checkpoint <file>',
      "a bundle's weights (default: models/model.pt), or the name of nnU-Net's checkpoints (default: " +
        'checkpoint_final.pth, else checkpoint_best.pth)',
    )
    .option(
      '--folds <list>',
      'folds of an nnU-Net model, e.g. 0,1 or all (default: all numbered ones, else all)',
      commaList,
    )
    .option(
      '--prefix <text>',
      'what stands before the names of the weights, where a checkpoint holds several networks (default: it ' +
        'is found)',
    )
    .option(
      '--monai-version <version>',
      'version of MONAI that the weights were trained with, for networks that it changes (default: the ' +
        "bundle's)",
    )
    .option('--name <name>', "the model's name (default: the name of the bundle or the file)")
    .option('--labels <list>', 'names of the labels from 0 on, e.g. background,spleen', commaList)
    .option('--patch <x,y,z>', 'size in voxels of the windows that the model was trained on', voxelSize)
    .addOption(
      new Option(
        '--axes <order>',
        'order of its axes: xyz as in MONAI (default), zyx as in nnU-Net and ITK',
      ).choices(['xyz', 'zyx']),
    )
    .option(
      '--card <file>',
      'more fields of the card, YAML or JSON: license, intendedUse, input.valueRange, …; see docs/models.md',
    )
    .option('-o, --output <dir>', 'folder to write (default: a folder with its name in the cache)')
    .option('--force', 'replace a model in the folder')
    .action(async (source: string, flags: ImportFlags) => {
      await withSources(source, flags, async (sources) => {
        const placed = sources.map((one) => ({
          ...one,
          folder: folderFor(one.card.name, sources.length, flags),
        }));
        for (const { folder } of placed) await checkModelFolder(folder, flags.force ?? false);
        for (const { card, make, folder, pipeline = 'PIPELINE' } of placed) {
          note(`Building ${card.name} and running it once …`);
          const made = await make(card).finally(() => note(''));
          const written = await writeModelFolder(folder, made, flags.force);
          const more: [string, string][] = [
            ...(made.notes ?? []).map((text): [string, string] => ['note', text]),
            ['use it', useOf(pipeline, flags.output ? folder : card.name)],
          ];
          print(`${cardLines(written, more).join('\n')}\n`);
        }
      });
    });
}

/** The command that runs a model. */
function useOf(pipeline: string, model: string): string {
  const input = pipeline === nnunetPipeline ? ' --set input=DIR' : '';
  return `voxstream run ${pipeline} --set model=${model}${input}`;
}

/** Where a model is written. Several models go into folders with their names inside of `--output`. */
function folderFor(name: string, count: number, { output }: ImportFlags): string {
  if (!output) return join(cachedModels(), folderName(name));
  return count === 1 ? resolve(output) : resolve(output, folderName(name));
}

/** Checks that a model's name can be the name of a folder. */
function folderName(name: string): string {
  if (/^[\p{L}\p{N}_][\p{L}\p{N}_.+ -]*$/u.test(name)) return name;
  throw new OptionError(
    `The model's name is ${show(name)}, which cannot be the name of a folder. Give another one with --name.`,
  );
}

/** What is imported: its card, with the flags, and a function that makes the model. */
interface Source {
  readonly card: CardFields;
  readonly make: (card: CardFields) => Promise<NewModel | NewModelSet>;
  /** The pipeline file that runs it. Default: one of the user. */
  readonly pipeline?: string;
}

/** Calls `work` with what a file or folder holds. The content of a zip is there until `work` ends. */
async function withSources(
  source: string,
  flags: ImportFlags,
  work: (sources: readonly Source[]) => Promise<void>,
): Promise<void> {
  if (source.endsWith('.zip')) {
    await withNnunetZip(source, async (folders) => work(await nnunetSources(source, folders, flags)));
    return;
  }
  const around = trainedAround(source);
  if (around && !flags.network && !flags.config) {
    throw new OptionError(
      `${source} is a part of the nnU-Net model ${around}. Import that folder; --folds and --checkpoint choose its checkpoints.`,
    );
  }
  const folders = await findTrained(source);
  await work(
    folders.length > 0 ? await nnunetSources(source, folders, flags) : [await readSource(source, flags)],
  );
}

/** The trained configurations of nnU-Net in `folders`. */
async function nnunetSources(
  source: string,
  folders: readonly string[],
  flags: ImportFlags,
): Promise<Source[]> {
  const wrong = (['network', 'config', 'set', 'prefix', 'monaiVersion'] as const).find((name) => flags[name]);
  if (wrong)
    throw new OptionError(
      `--${kebab(wrong)} has no meaning for ${source}: a model of nnU-Net says it itself.`,
    );
  if (flags.name && folders.length > 1) {
    throw new OptionError(
      `--name is for one model, but ${source} has ${folders.length}: ${listNames(folders.map((one) => basename(one)))}. ` +
        'Leave --name out, or give the folder of one of them.',
    );
  }
  const choice = {
    ...(flags.folds && { folds: flags.folds }),
    ...(flags.checkpoint && { checkpoint: basename(flags.checkpoint) }),
  };
  const all = await openEach(folders, choice);
  return Promise.all(
    all.map(async (opened): Promise<Source> => {
      const card = await withFlags(opened.card, flags);
      return { card, pipeline: nnunetPipeline, make: (filled) => importNnunet(opened, filled) };
    }),
  );
}

async function readSource(source: string, flags: ImportFlags): Promise<Source> {
  const found = await stat(source).catch((error) => {
    throw readFault(source, error);
  });
  if (flags.folds) throw new OptionError(`--folds is only for a model of nnU-Net, but ${source} is not one.`);
  const set = overrides(flags.set ?? []);
  const only = (names: readonly (keyof ImportFlags)[], what: string) => {
    const given = names.find((name) => flags[name] !== undefined);
    if (given) throw new OptionError(`--${kebab(given)} is only for ${what}, but ${source} is not one.`);
  };
  if (found.isDirectory()) {
    only(['network', 'config'], 'a PyTorch checkpoint');
    const bundle = await readBundle(source, set);
    if (!flags.checkpoint) await checkCheckpoint(source, bundle);
    const checkpoint = flags.checkpoint ?? bundle.checkpoint;
    const versions = { given: flags.monaiVersion, found: bundle.monaiVersion };
    const network = withMonaiVersion(networkOfConfig(bundle.config), versions);
    const card = await withFlags(bundle.card, flags);
    return { card, make: (filled) => importCheckpoint(checkpoint, network, filled, flags.prefix) };
  }
  only(['checkpoint'], 'a bundle folder');
  const name = basename(source).replace(/\.[^.]*$/, '');
  const card = await withFlags({ name }, flags);
  if (source.endsWith('.onnx')) {
    only(['network', 'config', 'set', 'prefix', 'monaiVersion'], 'a PyTorch checkpoint');
    return { card, make: (filled) => importOnnx(source, filled) };
  }
  const network = withMonaiVersion(await networkOf(source, flags, set), { given: flags.monaiVersion });
  return { card, make: (filled) => importCheckpoint(source, network, filled, flags.prefix) };
}

/** The name of a flag on the command line, e.g. `monai-version`. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The network of a checkpoint, from `--network`, `--config` and `--set`. */
async function networkOf(source: string, flags: ImportFlags, set: Tree): Promise<NamedNetwork> {
  const { type, config } = flags.config
    ? await readConfig(flags.config, set)
    : { type: undefined, config: set };
  const network = flags.network ?? type;
  if (!network) {
    throw new OptionError(
      `${source} holds weights, but not the name of their network. Give it with --network ` +
        `(${networkNames.join(', ')}) and its parameters with --config.`,
    );
  }
  if (type && network.toLowerCase() !== type.toLowerCase()) {
    throw new OptionError(
      `--network is ${network}, but ${flags.config} configures a ${type}. Omit --network.`,
    );
  }
  return { type: network, config };
}

/** Reads a network's configuration in any of the forms that `--config` accepts. */
async function readConfig(file: string, set: Tree): Promise<{ type?: string; config: Tree }> {
  const content = await readTree(file);
  if ('network_def' in content) return networkOfConfig(readModelConfig(file, set));
  const parameters = isTree(content['network']) ? content['network'] : content;
  // A part of a bundle's configuration names its class under `_target_`.
  const { _target_: target, type = target, ...config } = parameters;
  // VISTA3D's classes are an argument of each run in MONAI, beside the network's parameters.
  const { class_vector } = tree(content['prompt']);
  const prompt = class_vector === undefined ? {} : { class_vector };
  return {
    ...(typeof type === 'string' && { type: type.split('.').at(-1) }),
    config: { ...prompt, ...config, ...set },
  };
}

function overrides(texts: readonly string[]): Tree {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^\s*(\w+)\s*=(.*)$/s.exec(text) ?? [];
      if (!name)
        throw new OptionError(`--set must be NAME=VALUE, e.g. in_channels=2, but it is ${show(text)}.`);
      try {
        return [name, parseYaml(value)];
      } catch (error) {
        throw new OptionError(`--set ${text}: the value is not valid YAML: ${messageOf(error)}.`, {
          cause: error,
        });
      }
    }),
  );
}

/** Merges a card with the flags: `--card` replaces what was found, and single flags replace both. */
async function withFlags(found: CardFields, flags: ImportFlags): Promise<CardFields> {
  const more = flags.card ? await readTree(flags.card) : {};
  const { name, labels, patch, axes } = flags;
  const input = { ...tree(found['input']), ...tree(more['input']), ...(patch && { patch }) };
  const output = { ...tree(found['output']), ...tree(more['output']) };
  return {
    ...found,
    ...more,
    name: name ?? (typeof more['name'] === 'string' ? more['name'] : found.name),
    ...(axes && { axes }),
    ...(labels && { labels: Object.fromEntries(labels.entries()) }),
    ...(Object.keys(input).length > 0 && { input }),
    ...(Object.keys(output).length > 0 && { output }),
  };
}

function tree(value: unknown): Tree {
  return isTree(value) ? value : {};
}
