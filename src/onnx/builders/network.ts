import type { z } from 'zod';
import type { WeightScheme } from './freshWeights.js';
import type { Layers } from './layers.js';

/** A network that can be built: its configuration, in MONAI's own names, and its layers. */
export interface NetworkDefinition<Types extends Readonly<Record<string, z.ZodType>>> {
  /** MONAI's class: `UNet`. */
  readonly name: string;
  /** Each parameter of the class with its type and MONAI's default. */
  readonly options: Types;
  /** Rules over several parameters: what is wrong, in sentences. */
  readonly check?: (config: Config<Types>) => string[];
  /** How its weights begin. Default: `uniform`. */
  readonly start?: WeightScheme;
  /** Adds the layers after the input [N, in_channels, X, Y, Z]; returns the name of the output. */
  readonly build: (layers: Layers, input: string, config: Config<Types>) => string;
}

/** A configuration whose defaults are filled in. */
export type Config<Types extends Readonly<Record<string, z.ZodType>>> = {
  readonly [Name in keyof Types]: z.output<Types[Name]>;
};

/** A definition, typed by its parameters. */
export function defineNetwork<const Types extends Readonly<Record<string, z.ZodType>>>(
  definition: NetworkDefinition<Types>,
): NetworkDefinition<Types> {
  return definition;
}
