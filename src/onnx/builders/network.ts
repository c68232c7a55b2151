import {
  configurator,
  type Definition,
  type Described,
  type OptionTypes,
  type OptionValues,
} from '../../options.js';
import type { Axes } from './config.js';
import type { WeightScheme } from './freshWeights.js';
import type { NetworkBuilder } from './networkBuilder.js';

/** What is written once of a network. Its options have the names and defaults of MONAI's class. */
export interface NetworkSpec<T extends OptionTypes> extends Described<T, never> {
  /** How its weights begin. Default: `uniform`. */
  readonly start?: WeightScheme;
  /** Channels that it takes and gives. Default: `in_channels` and `out_channels`. */
  readonly channels?: (config: OptionValues<T>) => { readonly inputs: number; readonly outputs: number };
  /**
   * The size of windows that the network is built for: the only one that it works on, or else `given`.
   * Default: the network takes windows of any size.
   */
  readonly size?: (config: OptionValues<T>, given: Axes | undefined) => Axes | undefined;
  /**
   * Adds the layers after the input [N, inputs, X, Y, Z]. Returns the name of the output. `size` is what the
   * function of that name gave.
   */
  readonly build: (
    net: NetworkBuilder,
    input: string,
    config: OptionValues<T>,
    size: Axes | undefined,
  ) => string;
}

/** A network by the name of MONAI's class, with its parameters under MONAI's names. */
export interface NamedNetwork {
  /** `UNet`. */
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** A network with its configuration. */
export interface ConfiguredNetwork {
  readonly inputs: number;
  readonly outputs: number;
  readonly start: WeightScheme;
  /** The size of windows that it is built for; undefined where it takes any. */
  readonly size: (given: Axes | undefined) => Axes | undefined;
  readonly build: (net: NetworkBuilder, input: string, size: Axes | undefined) => string;
}

/** A network as a registry holds it, whatever its options are. */
export type Network = Definition<ConfiguredNetwork>;

/** Defines a network. */
export function network<const T extends OptionTypes>(spec: NetworkSpec<T>): Network {
  const { start = 'uniform', channels = namedChannels, size, build, ...described } = spec;
  const configure = configurator(
    spec,
    (config): ConfiguredNetwork => ({
      ...channels(config),
      start,
      size: (given) => size?.(config, given),
      build: (net, input, fixed) => build(net, input, config, fixed),
    }),
  );
  return { ...described, configure };
}

function namedChannels(config: OptionValues<OptionTypes>): { inputs: number; outputs: number } {
  return { inputs: Number(config['in_channels']), outputs: Number(config['out_channels']) };
}
