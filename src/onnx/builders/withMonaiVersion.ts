import { networks } from './networks/index.js';

/** What is known of the version of MONAI that weights were trained with. */
export interface KnownVersions {
  /** Given by the user: goes before a network's configuration. */
  readonly given?: string;
  /** Found in a bundle: counts where a network's configuration has none. */
  readonly found?: string;
}

/** A network's configuration with the version of MONAI, where the network depends on it. */
export function withMonaiVersion<T extends { readonly type: string; readonly config: object }>(
  network: T,
  { given, found }: KnownVersions,
): T {
  const definition = networks.find(({ name }) => name.toLowerCase() === network.type.toLowerCase());
  if (!definition || !('monai_version' in definition.options)) return network;
  const config = {
    ...(found !== undefined && { monai_version: found }),
    ...network.config,
    ...(given !== undefined && { monai_version: given }),
  };
  return { ...network, config };
}
