import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataError, ModelError, messageOf, VoxError } from '../../errors.js';
import { readFault } from '../../formats/aside.js';
import { indexZip } from '../../formats/zipFiles.js';
import { findTrained } from './trainedFolder.js';

/** The files of a trained model that are unpacked: text files, checkpoints and rules for postprocessing. */
const wanted =
  /(^|\/)(plans\.json|dataset\.json|postprocessing\.(json|pkl)|fold_(\d+|all)\/checkpoint_\w+\.pth)$/;

/** No part of a trained model is larger once it is unpacked. */
const largestMember = 2 ** 34;

/**
 * Unpacks a zip that `nnUNetv2_export_model_to_zip` wrote, and calls `work` with the trained configurations
 * in it. They are deleted when `work` ends.
 *
 * @throws ModelError when the file is not such a zip.
 */
export async function withNnunetZip<T>(
  file: string,
  work: (folders: readonly string[]) => Promise<T>,
): Promise<T> {
  const place = await mkdtemp(join(tmpdir(), 'voxstream-nnunet-'));
  try {
    await unpackNnunetZip(file, place);
    const folders = await findTrained(place);
    if (folders.length === 0) {
      throw new ModelError(
        `${file} holds no trained model of nnU-Net v2: expected are Dataset…/TRAINER__PLANS__CONFIGURATION/plans.json ` +
          'and fold_0/checkpoint_final.pth.',
      );
    }
    return await work(folders);
  } catch (error) {
    // The files that messages name are gone when somebody reads them.
    if (error instanceof VoxError) error.message = error.message.replaceAll(place, () => file);
    throw error;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/**
 * Unpacks the plans and checkpoints of a zip into a folder.
 *
 * Only the directory of the zip and one part at a time are in memory. Names that would leave the folder are
 * ignored.
 *
 * @throws ModelError when the file is not a zip, or a part of it is damaged.
 */
export async function unpackNnunetZip(file: string, place: string): Promise<void> {
  const { members, zip } = await indexZip(file).catch((error) => {
    throw readFault(file, error);
  });
  try {
    for (const [path, { name }] of members) {
      if (!wanted.test(path)) continue;
      const target = join(place, path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, zip.read(name, largestMember));
    }
  } catch (error) {
    if (error instanceof DataError)
      throw new ModelError(`${file} cannot be read: ${messageOf(error)}. Copy or download it again.`);
    throw error;
  }
}
