import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ModelError, messageOf, show } from '../errors.js';
import { readFault } from '../formats/aside.js';

const hexDigits = (count: number) => z.string().regex(new RegExp(`^[0-9a-f]{${count}}$`, 'i'));

const entrySchema = z
  .strictObject({
    /** Where the PyTorch checkpoint is. */
    url: z.url({ protocol: /^https?$/ }),
    md5: hexDigits(32).optional(),
    sha256: hexDigits(64).optional(),
    /** Bytes of the file; for those who want to know before. */
    size: z.int().positive().optional(),
    /** The network whose weights it holds, by MONAI's names: `type` and its parameters. */
    network: z.looseObject({ type: z.string() }),
    /** What stands before the names of the weights. */
    prefix: z.string().optional(),
    /** Fields of the model's card. */
    card: z.looseObject({ license: z.string(), description: z.string() }),
  })
  .refine(({ md5, sha256 }) => md5 || sha256, { error: 'it must have an md5 or a sha256' });

/** A model that can be fetched, and how it becomes a model here. */
export type RegistryEntry = z.infer<typeof entrySchema>;

const registrySchema = z.record(z.string().regex(/^[\w][\w.-]*$/), entrySchema);

/** The registry that comes with the package. */
export const packageRegistry = fileURLToPath(new URL('../../models/registry.json', import.meta.url));

/**
 * The models of a registry file by name: JSON, a map from names to what `RegistryEntry` says.
 *
 * @throws ModelError naming every field that is wrong; DataError when the file cannot be read.
 */
export async function readRegistry(file = packageRegistry): Promise<ReadonlyMap<string, RegistryEntry>> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new ModelError(`${file} is not readable JSON: ${messageOf(error)}.`);
  }
  const parsed = registrySchema.safeParse(content, { reportInput: true });
  if (parsed.success) return new Map(Object.entries(parsed.data));
  throw new ModelError(
    parsed.error.issues
      .map(
        ({ path, input, message }) =>
          `${file}: ${path.join('.') || 'the registry'} is ${show(input)}: ${message}.`,
      )
      .join('\n'),
  );
}
