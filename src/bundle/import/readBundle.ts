import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { listNames, ModelError } from '../../errors.js';
import type { CardFields } from '../../models/importModel.js';
import { isTree, readTree, type Tree } from '../../models/tree.js';
import { type ModelConfig, objectsOf, peek, readModelConfig } from './modelConfig.js';

/** The model of a MONAI bundle's folder. */
export interface Bundle {
  /** The configuration with the network: `configs/inference.json`, or the same in YAML. */
  readonly config: ModelConfig;
  /** The path of `models/model.pt`, which may be missing. */
  readonly checkpoint: string;
  /** The version of MONAI in `configs/metadata.json`, if it is there. */
  readonly monaiVersion?: string;
  /** The fields of a model card that `configs/metadata.json` and the configuration provide. */
  readonly card: CardFields;
}

/**
 * Reads a MONAI bundle's folder: `configs/inference.json` (or `.yaml`) and `configs/metadata.json`. Nothing
 * is executed.
 *
 * @param set Parameters of the network that replace those of the configuration.
 * @throws VoxError when the folder is not a bundle, or one of its files is invalid.
 */
export async function readBundle(folder: string, set: Tree = {}): Promise<Bundle> {
  const configs = join(folder, 'configs');
  const file = ['json', 'yaml', 'yml']
    .map((extension) => join(configs, `inference.${extension}`))
    .find((path) => existsSync(path));
  if (!file) {
    throw new ModelError(
      `${folder} is not a MONAI bundle: it has neither configs/inference.json nor inference.yaml. Expected ` +
        "a bundle's folder or a PyTorch checkpoint.",
    );
  }
  const config = readModelConfig(file, set);
  const path = join(configs, 'metadata.json');
  const metadata = existsSync(path) ? await readTree(path) : {};
  return {
    config,
    checkpoint: join(folder, 'models/model.pt'),
    monaiVersion: text(metadata['monai_version']),
    card: { name: basename(resolve(folder)), ...cardOf(metadata, config) },
  };
}

/**
 * Throws ModelError when a bundle's checkpoint is missing, saying where to get it: bundles are distributed
 * without large files and list them in `large_files.yml`.
 */
export async function checkCheckpoint(folder: string, { checkpoint }: Bundle): Promise<void> {
  if (existsSync(checkpoint)) return;
  const listFile = ['yml', 'yaml', 'json']
    .map((one) => join(folder, `large_files.${one}`))
    .find((one) => existsSync(one));
  const { large_files: entries } = listFile ? await readTree(listFile) : {};
  const entry = (Array.isArray(entries) ? entries : []).find(
    (one) => isTree(one) && one.path === 'models/model.pt',
  );
  if (typeof entry?.url === 'string') {
    const list = basename(listFile as string);
    const checksum =
      typeof entry.hash_val === 'string' ? `; ${entry.hash_type ?? 'checksum'} ${entry.hash_val}` : '';
    throw new ModelError(
      `The bundle has no ${checkpoint}. Download it from ${entry.url} (see ${list}${checksum}), then ` +
        'import again.',
    );
  }
  const found = (await readdir(join(folder, 'models')).catch(() => [])).filter((name) =>
    /\.(pt|pth)$/.test(name),
  );
  throw new ModelError(
    `The bundle has no ${checkpoint}. ${
      found.length > 0
        ? `Its models folder has ${listNames(found)}: give one with --checkpoint.`
        : 'Put its weights there, or give them with --checkpoint.'
    }`,
  );
}

/**
 * The fields of a model card that a bundle provides. Patches and ranges that are not numbers ("8*n") are
 * ignored.
 */
function cardOf(metadata: Tree, config: ModelConfig): Tree {
  const format = tree(metadata['network_data_format']);
  const [inputs, outputs] = [tree(format['inputs']), tree(format['outputs'])];
  const input = tree(inputs['image'] ?? Object.values(inputs)[0]);
  const output = tree(outputs['pred'] ?? Object.values(outputs)[0]);
  const channels = tree(output['channel_def']);
  const labels = Object.entries(channels).filter(
    ([key, name]) => /^\d+$/.test(key) && typeof name === 'string',
  );
  const patch = sizes(input['spatial_shape']) ?? sizes(peek(config, 'inferer#roi_size'));
  const activations = objectsOf(config, 'Activationsd').map(tree);
  const activation = ['softmax', 'sigmoid'].find((name) =>
    activations.some((transform) => transform[name] === true),
  );
  const training = Object.fromEntries(
    Object.entries({ data: metadata['data_source'], ...tree(metadata['eval_metrics']) }).filter(
      ([, value]) => value,
    ),
  );
  return dropEmpty({
    version: text(metadata['version']),
    description: text(metadata['description']),
    license: text(metadata['license']),
    copyright: text(metadata['copyright']),
    authors: text(metadata['authors']),
    labels: Object.fromEntries(labels),
    input: dropEmpty({
      channels: count(input['num_channels']),
      patch,
      valueRange: range(input['value_range']),
      modality: text(input['modality']),
      ...preprocessingOf(config),
    }),
    output: dropEmpty({ channels: count(output['num_channels']), activation }),
    training,
    intendedUse: text(metadata['intended_use']),
    references: metadata['references'],
  });
}

/** Transforms of MONAI that change intensities, their operators, and the options that both have. */
const intensitySteps: readonly [
  transform: string,
  operator: string,
  options: Readonly<Record<string, string>>,
][] = [
  [
    'ScaleIntensityRanged',
    'scaleIntensityRange',
    { a_min: 'aMin', a_max: 'aMax', b_min: 'bMin', b_max: 'bMax', clip: 'clip' },
  ],
  ['NormalizeIntensityd', 'normalizeIntensity', { nonzero: 'nonzero', channel_wise: 'channelWise' }],
];

/** What a bundle's configuration says about the volumes that its network takes. */
function preprocessingOf(config: ModelConfig): Tree {
  const [orientation] = objectsOf(config, 'Orientationd').map(tree);
  const [spacing] = objectsOf(config, 'Spacingd').map(tree);
  const axcodes = text(orientation?.['axcodes']);
  const pixdim = millimetres(spacing?.['pixdim']);
  return { axcodes, spacing: pixdim, preprocessing: stepsOf(peek(config, 'preprocessing')) };
}

/** Transforms that need no step: volumes are read with channels first, and metadata travels with them. */
const withoutStep = [
  'EnsureChannelFirstd',
  'AddChanneld',
  'EnsureTyped',
  'ToTensord',
  'ToDeviced',
  'CastToTyped',
];

/** The steps that do what a list of transforms does; undefined if one of them is not known. */
function stepsOf(preprocessing: unknown): Tree[] | undefined {
  const { transforms } = tree(preprocessing);
  if (!Array.isArray(transforms)) return undefined;
  const steps: Tree[] = [];
  for (const transform of transforms.map(tree)) {
    const name = text(transform['_target_'])?.split('.').at(-1) ?? '';
    const intensity = intensitySteps.find(([known]) => known === name);
    const pixdim = millimetres(transform['pixdim']);
    if (intensity) {
      const options = Object.entries(intensity[2]).filter(([from]) => transform[from] !== undefined);
      const plain = options.every(([from]) => ['number', 'boolean'].includes(typeof transform[from]));
      if (!plain) return undefined;
      steps.push({ [intensity[1]]: Object.fromEntries(options.map(([from, to]) => [to, transform[from]])) });
    } else if (name === 'LoadImaged') steps.push({ load: null });
    else if (name === 'Orientationd' && text(transform['axcodes'])) {
      steps.push({ orient: { axcodes: transform['axcodes'] } });
    } else if (name === 'Spacingd' && pixdim) steps.push({ spacing: { pixdim } });
    else if (!withoutStep.includes(name)) return undefined;
  }
  return steps;
}

function millimetres(value: unknown): number[] | undefined {
  const numbers = typeof value === 'number' ? [value, value, value] : value;
  const sound = Array.isArray(numbers) && numbers.length === 3 && numbers.every((mm) => Number(mm) > 0);
  return sound ? numbers.map(Number) : undefined;
}

function tree(value: unknown): Tree {
  return isTree(value) ? value : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() ? value : undefined;
}

function count(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) > 0 ? (value as number) : undefined;
}

function sizes(value: unknown): unknown[] | undefined {
  return Array.isArray(value) && value.length === 3 && value.every((n) => count(n)) ? value : undefined;
}

function range(value: unknown): unknown[] | undefined {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) ? value : undefined;
}

/** Removes undefined fields and empty maps. */
function dropEmpty(fields: Tree): Tree {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== undefined && (!isTree(value) || Object.keys(value).length > 0),
    ),
  );
}
