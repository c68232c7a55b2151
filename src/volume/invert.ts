import { zoomCorners } from './cornerZoom.js';
import { cropOrPad } from './crop.js';
import { inverseAxisMap } from './orientation.js';
import { mapAxes } from './reorient.js';
import { resampleTo } from './resample.js';
import { resizeTo } from './resize.js';
import type { HistoryStep, InterpolationMode, Triple, Volume } from './volume.js';
import { zoomTo } from './zoom.js';

/**
 * Undoes geometric steps, the last one first. The volume returns to the grid it had before them, exactly:
 * size and affine are those noted in the history. Parts that were cropped become zeros.
 */
export function invertHistory(
  volume: Volume,
  history: readonly HistoryStep[],
  mode: InterpolationMode,
): Volume {
  let result = volume;
  for (const step of [...history].reverse()) {
    const { size, affine } = step.from;
    if (step.step === 'orient') result = mapAxes(result, inverseAxisMap(step));
    else if (step.step === 'resample') result = resampleTo(result, step.from, mode, step.padding);
    else if (step.step === 'resize') {
      result = resizeTo(result, size, mode === 'nearest' ? mode : step.mode, step.alignCorners);
    } else if (step.step === 'zoom') {
      result = zoomTo(result, step.from, mode === 'nearest' ? { order: 0, orderZ: 0 } : step.back);
    } else if (step.step === 'cornerZoom') {
      result = zoomCorners(result, step.from, mode);
    } else result = cropOrPad(result, step.start.map((at) => -at) as Triple, size);
    result = { ...result, size, affine };
  }
  return { ...result, history: [] };
}
