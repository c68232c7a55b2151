import { type Case, volumeOf, withVolumes } from '../case.js';
import { allocate, voxelCount } from '../volume/volume.js';
import { addWindow, type ModelAxes } from '../volume/windows.js';

/**
 * Patches with the output of a model for each as the volume `pred`, on the grid of the patch's image.
 *
 * @param logits The output for all patches, [N, C, ...] in the order of `axes`.
 */
export function withPredictions(cases: readonly Case[], logits: Float32Array, axes: ModelAxes): Case[] {
  const each = logits.length / cases.length;
  return cases.map((subject, i) => {
    const { size, affine } = volumeOf(subject, 'image');
    const channels = each / voxelCount(size);
    const data = allocate('float32', each);
    const output = logits.subarray(i * each, (i + 1) * each);
    addWindow(output, channels, [0, 0, 0], size, axes, undefined, size, data);
    return withVolumes(subject, { pred: { size, affine, channels, data, kind: 'image', history: [] } });
  });
}
