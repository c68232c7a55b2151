import { basename } from 'node:path';
import { ModelError, VoxError } from '../../errors.js';
import { loadBundleConfig } from '../config/load.js';
import { toPlain } from '../config/plain.js';
import type { Resolver } from '../config/resolver.js';
import { parseJson } from '../library/json.js';
import { type NetworkTarget, translateNetwork } from '../targets/network.js';
import { Problems } from '../targets/problems.js';

/** A configuration of a bundle as an import reads it: the network, and what a model's card says. */
export interface ModelConfig {
  readonly file: string;
  readonly resolver: Resolver;
}

/** The id of the network in all bundles of MONAI's model zoo. */
const networkId = 'network_def';

/**
 * Reads a configuration, e.g. `configs/inference.json`.
 *
 * @param set Parameters of the network that replace those in the file.
 * @throws OptionError if the file cannot be read, or a parameter cannot be set.
 */
export function readModelConfig(file: string, set: Readonly<Record<string, unknown>> = {}): ModelConfig {
  const overrides = Object.entries(set).map(
    ([name, value]) => [`${networkId}#${name}`, parseJson(JSON.stringify(value))] as const,
  );
  const config = loadBundleConfig(new Map([['config_file', file], ...overrides]), {
    environment: {},
    accelerators: 0,
    warn: () => {},
    assumeEmpty: true,
    override: (id) => `--set ${id.replace(/^network_def#(\w+).*$/, '$1')}=VALUE`,
  });
  return { file, resolver: config.resolver() };
}

/**
 * The network of a configuration.
 *
 * @throws OptionError if a parameter cannot be evaluated, or ModelError if there is no network that voxstream
 * has.
 */
export function networkOf({ file, resolver }: ModelConfig): NetworkTarget {
  if (!resolver.has(networkId)) {
    throw new ModelError(
      `${file} has no network_def, which says what the network is. Give the network's parameters in a separate file: ` +
        'voxstream models import CHECKPOINT --network unet --config FILE',
    );
  }
  const problems = new Problems();
  const network = translateNetwork(resolver.resolve(networkId), networkId, problems);
  if (network) return network;
  throw new ModelError(`${basename(file)}: ${problems.lines.join('; ')}.`);
}

/** The value at an id as plain data, or undefined if there is none, or it cannot be evaluated. */
export function peek({ resolver }: ModelConfig, id: string): unknown {
  if (!resolver.has(id)) return undefined;
  try {
    return toPlain(resolver.resolve(id));
  } catch (error) {
    if (error instanceof VoxError) return undefined;
    throw error;
  }
}

/** The first object of a class in a configuration as plain data, without those that are switched off. */
export function objectsOf(config: ModelConfig, name: string): unknown[] {
  return config.resolver
    .idsOf(name)
    .map((id) => peek(config, id))
    .filter((found) => found !== null && found !== undefined);
}
