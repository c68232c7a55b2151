import { type AxisTaps, planResample } from './resample.js';
import type { Grid, HistoryStep, Triple, Vec3 } from './volume.js';
import { linearTaps } from './zoom.js';

/**
 * How the voxels of an earlier grid read a volume: axis by axis, by linear interpolation. Voxels that read
 * nothing of the volume (cropped parts) are left out.
 */
export interface LabelPath {
  /** The earlier grid. */
  readonly grid: Grid;
  /**
   * Per axis of the volume, what the voxels of the earlier grid along that axis read, in ascending order of
   * what they read.
   */
  readonly taps: readonly [AxisTaps, AxisTaps, AxisTaps];
  /** The index of the first of these voxels in the earlier grid, and the steps along the volume's axes. */
  readonly corner: number;
  readonly strides: Vec3;
}

/** One axis of a volume, as the grid that was reached so far reads it. */
interface AxisPath {
  /** Which axis of that grid it is. */
  readonly axis: number;
  /** True if that grid runs the other way along it. */
  readonly flipped: boolean;
  /** By voxel of that grid; a `low` of -1 reads nothing. */
  readonly taps: AxisTaps;
}

/**
 * The way back through geometric steps: any number of reorientations, crops and pads, and at most one linear
 * resampling along the axes. Undefined for other steps, which have to be undone one by one.
 */
export function labelPath(volume: Grid, history: readonly HistoryStep[]): LabelPath | undefined {
  let grid = volume;
  let isResampled = false;
  let paths = volume.size.map(
    (n, axis): AxisPath => ({ axis, flipped: false, taps: gather(n, (at) => ({ low: at, lowWeight: 1 })) }),
  );
  for (const step of [...history].reverse()) {
    const { size } = step.from;
    if (step.step === 'orient') {
      paths = paths.map(({ axis, flipped, taps }) =>
        step.flips[axis] > 0
          ? { axis: step.axes[axis], flipped, taps }
          : { axis: step.axes[axis], flipped: !flipped, taps: reversed(taps) },
      );
    } else if (step.step === 'cropOrPad') {
      paths = paths.map(({ axis, flipped, taps }) => ({
        axis,
        flipped,
        taps: gather(size[axis], (at) => tapOf(taps, at - step.start[axis])),
      }));
    } else {
      const axes = resampledAxes(grid, step);
      if (!axes || (axes !== 'same' && isResampled)) return undefined;
      if (axes !== 'same') {
        isResampled = true;
        paths = paths.map(({ axis, flipped, taps }) => ({
          axis,
          flipped,
          taps: gather(size[axis], (at) => throughTaps(taps, axes[axis], at)),
        }));
      }
    }
    grid = step.from;
  }
  return pathOf(grid, paths);
}

/** What the voxels before a resampling read along each axis; undefined unless it is linear. */
function resampledAxes(
  grid: Grid,
  step: Exclude<HistoryStep, { step: 'orient' | 'cropOrPad' }>,
): readonly AxisTaps[] | 'same' | undefined {
  if (step.step === 'zoom')
    return step.back.order === 3 ? undefined : linearTaps(grid.size, step.from.size, step.back);
  if (step.step === 'resize' || step.step === 'cornerZoom') return undefined;
  const path = planResample(grid, step.from, 'bilinear', step.padding);
  return path === 'same' ? path : path.axes;
}

/** What one voxel reads. */
interface Tap {
  readonly low: number;
  readonly high: number;
  readonly lowWeight: number;
  readonly highWeight: number;
}

const nothing: Tap = { low: -1, high: -1, lowWeight: 0, highWeight: 0 };

function gather(length: number, read: (at: number) => Partial<Tap>): AxisTaps {
  const taps = {
    low: new Int32Array(length),
    high: new Int32Array(length),
    lowWeight: new Float64Array(length),
    highWeight: new Float64Array(length),
    nearest: new Int32Array(0),
  };
  for (let at = 0; at < length; at++) {
    const { low = -1, high = low, lowWeight = 0, highWeight = 0 } = read(at);
    taps.low[at] = low;
    taps.high[at] = high;
    taps.lowWeight[at] = lowWeight;
    taps.highWeight[at] = highWeight;
  }
  return taps;
}

function tapOf({ low, high, lowWeight, highWeight }: AxisTaps, at: number): Tap {
  if (at < 0 || at >= low.length) return nothing;
  return { low: low[at], high: high[at], lowWeight: lowWeight[at], highWeight: highWeight[at] };
}

/** What a voxel reads through a resampling of voxels that read one voxel each, or nothing (zeros). */
function throughTaps(before: AxisTaps, { low, high, lowWeight, highWeight }: AxisTaps, at: number): Tap {
  const first = lowWeight[at] > 0 ? before.low[low[at]] : -1;
  const second = highWeight[at] > 0 ? before.low[high[at]] : -1;
  if (first < 0 && second < 0) return nothing;
  return {
    low: first < 0 ? second : first,
    high: second < 0 ? first : second,
    lowWeight: first < 0 ? 0 : lowWeight[at],
    highWeight: second < 0 ? 0 : highWeight[at],
  };
}

function reversed({ low, high, lowWeight, highWeight }: AxisTaps): AxisTaps {
  return {
    low: low.toReversed(),
    high: high.toReversed(),
    lowWeight: lowWeight.toReversed(),
    highWeight: highWeight.toReversed(),
    nearest: new Int32Array(0),
  };
}

function pathOf(grid: Grid, paths: readonly AxisPath[]): LabelPath {
  const steps = [1, grid.size[0], grid.size[0] * grid.size[1]];
  let corner = 0;
  const taps = paths.map(({ axis, flipped, taps }) => {
    const ascending = flipped ? swapped(reversed(taps)) : taps;
    const begin = ascending.low.findIndex((low) => low >= 0);
    const end = ascending.low.findLastIndex((low) => low >= 0) + 1;
    corner += steps[axis] * (flipped ? grid.size[axis] - 1 - begin : begin);
    return part(ascending, Math.max(begin, 0), end);
  });
  const strides = paths.map(({ axis, flipped }) => (flipped ? -steps[axis] : steps[axis]));
  return { grid, taps: taps as [AxisTaps, AxisTaps, AxisTaps], corner, strides: strides as Triple };
}

/** A sum of two does not depend on their order. */
function swapped({ low, high, lowWeight, highWeight, nearest }: AxisTaps): AxisTaps {
  return { low: high, high: low, lowWeight: highWeight, highWeight: lowWeight, nearest };
}

function part({ low, high, lowWeight, highWeight, nearest }: AxisTaps, begin: number, end: number): AxisTaps {
  return {
    low: low.slice(begin, end),
    high: high.slice(begin, end),
    lowWeight: lowWeight.slice(begin, end),
    highWeight: highWeight.slice(begin, end),
    nearest,
  };
}
