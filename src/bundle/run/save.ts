import { dirname, join, relative, resolve } from 'node:path';
import { volumeOf } from '../../case.js';
import { DataError } from '../../errors.js';
import { makeFolder } from '../../formats/aside.js';
import { writeNifti } from '../../formats/writeNifti.js';
import type { StepContext } from '../../operators/define.js';
import { mapCase } from '../../operators/map.js';
import { task } from '../../runtime/task.js';
import { sameGrid } from '../../volume/affine.js';
import { resampleTo } from '../../volume/resample.js';
import { allocate, type Volume, type VoxelType } from '../../volume/volume.js';
import { baseName, folderName } from '../library/files.js';
import type { CaseFiles } from '../targets/evaluator.js';
import type { SaveSettings } from '../targets/steps.js';

const saveTask = task(new URL('./save.js', import.meta.url), writeConverted);
const resampleToTask = task(new URL('../../volume/resample.js', import.meta.url), resampleTo);

/**
 * The file that MONAI's SaveImage writes: the name of the input without its extension, `_` and the
 * postfix, in a folder with that name, below the input's own folders where `data_root_dir` asks for them.
 *
 * @throws DataError if the file would lie outside of the output folder.
 */
export function savedFile(settings: SaveSettings, input: string): string {
  // `splitext` twice, as MONAI does: the extension and, before `.gz`, another one.
  const file = baseName(input)
    .replace(/(?<=.)\.gz$/, '')
    .replace(/(?<=.)\.[^.]*$/, '');
  const below =
    settings.dataRoot === '' ? '' : relative(resolve(settings.dataRoot), resolve(folderName(input)));
  if (below.startsWith('..')) {
    throw new DataError(
      `${input} is not below data_root_dir (${settings.dataRoot}), so its output would lie outside of ${settings.folder}.`,
    );
  }
  const name = settings.postfix === '' ? file : `${file}_${settings.postfix}`;
  return join(settings.folder, below, settings.separateFolder ? file : '', `${name}${settings.extension}`);
}

/** The step that writes a volume of each case. `onWrite` is called with each file that was written. */
export function saveStep(
  settings: SaveSettings,
  context: StepContext,
  filesOf: (id: string) => CaseFiles,
  onWrite: (file: string) => void,
) {
  return mapCase(context, 'io', async (subject) => {
    const files = filesOf(subject.id)[settings.source];
    const input = typeof files === 'string' ? files : files[0];
    const file = savedFile(settings, input);
    const source = subject.volumes[settings.source];
    let volume = volumeOf(subject, settings.key);
    const target = source?.history[0]?.from ?? source;
    if (settings.resample && target && !sameGrid(volume, target)) {
      volume = await context.runtime.run(
        resampleToTask,
        volume,
        target,
        settings.interpolation,
        settings.padding,
      );
    }
    await makeFolder(dirname(resolve(file)));
    await context.runtime.run(saveTask, file, volume, settings.dtype as VoxelType | undefined, source);
    onWrite(file);
    return subject;
  });
}

/**
 * Writes a volume with the voxel type as numpy's `astype` converts: fractions are cut off.
 *
 * @param dtype Undefined: float32, which is what PyTorch computes with.
 */
export async function writeConverted(
  file: string,
  volume: Volume,
  dtype: VoxelType | undefined,
  like: Volume | undefined,
): Promise<void> {
  const type = dtype ?? 'float32';
  const whole = !type.startsWith('float') && volume.data instanceof Float32Array;
  const data = whole ? truncated(volume.data as Float32Array) : volume.data;
  await writeNifti(file, { ...volume, data }, { dtype: type, ...(like && { like }) });
}

function truncated(data: Float32Array): Float32Array {
  const result = allocate('float32', data.length);
  for (let i = 0; i < data.length; i++) result[i] = Math.trunc(data[i]);
  return result;
}
