import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { listNames, ModelError, messageOf, show } from '../errors.js';
import { readFault } from '../formats/aside.js';
import { isTree, MonaiConfig, type Tree } from '../onnx/monaiConfig.js';

/** What a MONAI bundle's folder says of its model. */
export interface Bundle {
  /** The configuration that has the network: `configs/inference.json`, or the same in YAML. */
  readonly config: MonaiConfig;
  /** `models/model.pt`; it need not be there. */
  readonly checkpoint: string;
  /** The version of MONAI that it was made with, where `configs/metadata.json` says it. */
  readonly monaiVersion?: string;
  /** What its `configs/metadata.json` and its configuration give for a model card. */
  readonly card: Tree & { readonly name: string };
}

/** Reads a map from a JSON or YAML file. Throws ModelError or DataError naming the file and what is wrong. */
export async function readTree(file: string): Promise<Tree> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  let content: unknown;
  try {
    content = file.endsWith('.json') ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw new ModelError(`${file} is not readable: ${messageOf(error)}.`);
  }
  if (isTree(content)) return content;
  throw new ModelError(`${file} must hold a map of names to values, but it is ${show(content)}.`);
}

/**
 * Reads a MONAI bundle's folder: `configs/inference.json` (or `.yaml`) and `configs/metadata.json`, as data.
 *
 * @throws ModelError when the folder is no bundle, or one of its files is damaged.
 */
export async function readBundle(folder: string): Promise<Bundle> {
  const configs = join(folder, 'configs');
  const file = ['json', 'yaml', 'yml']
    .map((extension) => join(configs, `inference.${extension}`))
    .find((path) => existsSync(path));
  if (!file) {
    throw new ModelError(
      `${folder} is no MONAI bundle: it has no configs/inference.json or .yaml. Expected a bundle's folder or a PyTorch checkpoint.`,
    );
  }
  const config = new MonaiConfig(await readTree(file), file);
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
 * Throws ModelError, saying where to get it, when a bundle's checkpoint is not there: bundles come without large files, and name
 * them in `large_files.yml`.
 */
export async function checkCheckpoint(folder: string, { checkpoint }: Bundle): Promise<void> {
  if (existsSync(checkpoint)) return;
  const list = ['yml', 'yaml', 'json']
    .map((one) => join(folder, `large_files.${one}`))
    .find((one) => existsSync(one));
  const { large_files: entries } = list ? await readTree(list) : {};
  const entry = (Array.isArray(entries) ? entries : []).find(
    (one) => isTree(one) && one.path === 'models/model.pt',
  );
  if (typeof entry?.url === 'string') {
    throw new ModelError(
      `The bundle has no ${checkpoint}. Its ${basename(list as string)} says where that is: download ${entry.url} to ${checkpoint}` +
        `${typeof entry.hash_val === 'string' ? ` (${entry.hash_type ?? 'checksum'} ${entry.hash_val})` : ''}, then import again.`,
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

/** The fields of a model card that a bundle fills. Patches and ranges that are not plain numbers ("8*n") are left out. */
function cardOf(metadata: Tree, config: MonaiConfig): Tree {
  const format = tree(metadata['network_data_format']);
  const [inputs, outputs] = [tree(format['inputs']), tree(format['outputs'])];
  const input = tree(inputs['image'] ?? Object.values(inputs)[0]);
  const output = tree(outputs['pred'] ?? Object.values(outputs)[0]);
  const channels = tree(output['channel_def']);
  const labels = Object.entries(channels).filter(
    ([key, name]) => /^\d+$/.test(key) && typeof name === 'string',
  );
  const patch = sizes(input['spatial_shape']) ?? sizes(config.peek('inferer#roi_size'));
  const activation = ['softmax', 'sigmoid'].find((name) =>
    config.objectsOf('Activationsd').some((transform) => transform[name] === true),
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
    }),
    output: dropEmpty({ channels: count(output['num_channels']), activation }),
    training,
    intendedUse: text(metadata['intended_use']),
    references: metadata['references'],
  });
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

/** Without the fields that are undefined or hold nothing. */
function dropEmpty(fields: Tree): Tree {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== undefined && (!isTree(value) || Object.keys(value).length > 0),
    ),
  );
}
