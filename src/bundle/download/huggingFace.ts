import { z } from 'zod';
import { ModelError } from '../../errors.js';
import { safeName } from '../../formats/safeName.js';
import type { Checksum } from '../../models/checksum.js';
import { requestJson } from '../../models/requestJson.js';
import type { RemoteFile } from './remoteFile.js';

/** A repository has far fewer parts of its list of files. */
const mostParts = 100;

const entries = z.array(
  z.looseObject({
    type: z.string(),
    path: z.string(),
    size: z.int().nonnegative(),
    oid: z.string(),
    /** Only of large files. */
    lfs: z.looseObject({ oid: z.string() }).optional(),
  }),
);

/** The server to ask, as Hugging Face's own tools take it from the environment. */
export function huggingFaceServer(): string {
  return (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
}

/** A repository's page with its files, for people. */
export function huggingFacePage(name: string, revision: string): string {
  return `${huggingFaceServer()}/MONAI/${name}/tree/${encodeURIComponent(revision)}`;
}

/**
 * The files of a bundle in MONAI's organization on Hugging Face. Large files have a SHA-256, others Git's
 * hash.
 *
 * Source: Hugging Face Hub API, `/api/models/REPO/tree/REVISION` and `/REPO/resolve/REVISION/PATH`.
 *
 * @param revision A branch, tag or commit: `main`, `0.5.9`.
 * @throws OfflineError, NotThere or ModelError, as `requestJson` does; ModelError for another answer.
 */
export async function listHuggingFace(name: string, revision: string): Promise<RemoteFile[]> {
  const server = huggingFaceServer();
  const at = encodeURIComponent(revision);
  const files: RemoteFile[] = [];
  let url: string | undefined = `${server}/api/models/MONAI/${name}/tree/${at}?recursive=true`;
  for (let parts = 0; url !== undefined; parts++) {
    const { content, next } = await requestJson(url);
    const listed = entries.safeParse(content);
    if (!listed.success || parts >= mostParts) {
      throw new ModelError(`${url} does not answer with a list of files, as Hugging Face does.`);
    }
    for (const { type, path, size, oid, lfs } of listed.data) {
      const safe = safeName(path);
      if (type !== 'file' || safe === undefined) continue;
      const checksum: Checksum = lfs
        ? { algorithm: 'sha256', value: lfs.oid }
        : { algorithm: 'gitBlob', value: oid };
      const escaped = path.split('/').map(encodeURIComponent).join('/');
      files.push({
        path: safe,
        url: `${server}/MONAI/${name}/resolve/${at}/${escaped}`,
        size,
        checksum,
        statedBy: 'Hugging Face',
      });
    }
    url = next === undefined ? undefined : new URL(next, url).href;
  }
  return files;
}
