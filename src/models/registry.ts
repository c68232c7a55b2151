import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { readJsonFile } from './readJsonFile.js';

const hexDigits = (count: number) => z.string().regex(new RegExp(`^[0-9a-f]{${count}}$`, 'i'));

const webAddress = z.url({ protocol: /^https?$/, error: 'it must begin with https:// or http://' });

const entrySchema = z
  .strictObject({
    /** The address of the PyTorch checkpoint. */
    url: webAddress,
    /** Further addresses of the same file, which are tried in order if the first one does not have it. */
    mirrors: z.array(webAddress).optional(),
    md5: hexDigits(32).optional(),
    sha256: hexDigits(64).optional(),
    /** The file's size in bytes. A file of another size is refused. */
    size: z.int().positive().optional(),
    /** The network of the weights: `type` and parameters, under MONAI's names. */
    network: z.looseObject({ type: z.string() }),
    /** The prefix of the weights' names. */
    prefix: z.string().optional(),
    /** Fields of the model's card. */
    card: z.looseObject({ license: z.string(), description: z.string() }),
  })
  .refine(({ md5, sha256 }) => md5 || sha256, { error: 'it must have an md5 or a sha256' });

/** A model that can be downloaded, and how to import it. */
export type RegistryEntry = z.infer<typeof entrySchema>;

const registrySchema = z.record(z.string().regex(/^[\w][\w.-]*$/), entrySchema);

/** The package's own registry. */
export const packageRegistry = fileURLToPath(new URL('../../models/registry.json', import.meta.url));

/**
 * Reads a registry file: JSON, a map from model names to entries.
 *
 * @param file Default: the one that VOXSTREAM_REGISTRY names, or the package's.
 *
 * @throws ModelError naming every wrong field; DataError when the file cannot be read.
 */
export async function readRegistry(
  file = process.env.VOXSTREAM_REGISTRY || packageRegistry,
): Promise<ReadonlyMap<string, RegistryEntry>> {
  return new Map(Object.entries(await readJsonFile(file, registrySchema, 'the registry')));
}
