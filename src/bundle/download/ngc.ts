import { z } from 'zod';
import { ModelError, unknownName } from '../../errors.js';
import { requestJson } from '../../models/requestJson.js';
import type { RemoteFile } from './remoteFile.js';

/** MONAI's list of all versions of all bundles: where their archives are, with the SHA-1 of each. */
export const zooList = 'https://raw.githubusercontent.com/Project-MONAI/model-zoo/dev/models/model_info.json';

const list = z.record(z.string(), z.looseObject({ source: z.url(), checksum: z.string().optional() }));

/**
 * A bundle's archive on NGC, by the list of MONAI's model zoo.
 *
 * @param version Default: the newest one.
 * @throws OfflineError, NotThere or ModelError, as `requestJson` does; ModelError if the list does not have
 * the bundle or the version.
 */
export async function findArchive(
  name: string,
  version: string | undefined,
  listUrl = zooList,
): Promise<RemoteFile & { readonly version: string }> {
  const { content } = await requestJson(listUrl);
  const parsed = list.safeParse(content);
  if (!parsed.success) throw new ModelError(`${listUrl} is not the list of MONAI's model zoo.`);
  const all = Object.entries(parsed.data).flatMap(([id, entry]) => {
    const [, bundle, found] = /^(.+)_v([\d.]+)$/.exec(id) ?? [];
    return bundle === undefined ? [] : [{ bundle, version: found, ...entry }];
  });
  const versions = all
    .filter(({ bundle }) => bundle === name)
    .sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
  if (versions.length === 0) {
    throw new ModelError(
      `In MONAI's model zoo ${unknownName('bundle', name, [...new Set(all.map(({ bundle }) => bundle))])}`,
    );
  }
  const chosen = version === undefined ? versions.at(-1) : versions.find((one) => one.version === version);
  if (!chosen) {
    const known = versions.map((one) => one.version);
    throw new ModelError(`Of ${name} ${unknownName('version', version ?? '', known)}`);
  }
  const { source, checksum } = chosen;
  return {
    path: `${name}_v${chosen.version}.zip`,
    url: source,
    version: chosen.version,
    statedBy: "MONAI's model zoo",
    ...(checksum && { checksum: { algorithm: 'sha1' as const, value: checksum } }),
  };
}
