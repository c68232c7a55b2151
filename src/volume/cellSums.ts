import type { LabelPath } from './labelPath.js';
import { type Decision, type LogitsSource, labelBox, labelBoxInPlace, type Range } from './labels.js';
import type { Vec3 } from './volume.js';
import { type Band, type CellPlan, planCells } from './windowCells.js';
import { countWindows, type ModelAxes, type WindowPlan, windowIndex, windowStart } from './windows.js';

/** How windows are added up. */
export interface Summation {
  readonly plan: WindowPlan;
  /** The size of the volume. */
  readonly size: Vec3;
  /** The order of axes of the model's output. */
  readonly axes: ModelAxes;
  /** Channels of the model's output. */
  readonly outChannels: number;
  /** The weights of a window's voxels, x fastest; undefined for equal weights. */
  readonly weights?: Float32Array;
  /** Which of several models this is: their outputs are added up, and averaged. Default: the only one. */
  readonly models?: { readonly place: number; readonly count: number };
}

/** Labels that are made from sums as soon as these are complete. */
export interface CellLabels {
  readonly cells: CellPlan;
  /** `cells.voxels` voxels of `storedChannels` values. */
  readonly storage: Float32Array;
  /** True if the output is one channel d that stands for the two logits (0, d). */
  readonly difference: boolean;
  readonly decision: Decision;
  /** How the labels' grid reads the logits; undefined if both are on the same grid. */
  readonly path?: LabelPath;
  readonly labels: Uint8Array | Uint16Array;
}

/** Values per voxel of the storage: the sums of all channels, and the sum of weights that are not equal. */
export function storedChannels(channels: number, isWeighted: boolean): number {
  return isWeighted ? channels + 1 : channels;
}

/** The most memory that sums should take, in bytes. A volume that needs more is processed in bands. */
const mostBytes = 1.25 * 2 ** 30;

/** Plans the storage of sums from which labels are made; see `planCells` and `CellLimits.turn`. */
export function planLabels(
  plan: WindowPlan,
  size: Vec3,
  channels: number,
  isWeighted: boolean,
  interpolate: boolean,
  turn = 1,
): CellPlan {
  const bytes = storedChannels(channels, isWeighted) * Float32Array.BYTES_PER_ELEMENT;
  return planCells(plan, size, { interpolate, voxels: mostBytes / bytes, turn });
}

/**
 * Adds up windows and makes labels of the voxels whose sums are complete. Steps must come in the order of
 * their numbers, but any thread may run each of them.
 */
export class CellSums {
  readonly #work: Summation & CellLabels;
  /** By axis and voxel, how many windows of the axis cover it. */
  readonly #counts: readonly Float64Array[];

  readonly #models: NonNullable<Summation['models']>;

  constructor(work: Summation & CellLabels) {
    this.#work = work;
    this.#models = work.models ?? { place: 0, count: 1 };
    this.#counts = countWindows(work.size, work.plan);
  }

  /** The first voxel of the window that is added in a step. */
  start(step: number): Vec3 {
    const { band, window } = this.#at(step);
    return windowStart(this.#work.plan, band.order[window]);
  }

  /** Adds the model's output for the window of a step, and labels the voxels that it completes. */
  add(step: number, values: Float32Array): void {
    const { band, window } = this.#at(step);
    const index = windowIndex(this.#work.plan, band.order[window]);
    this.#addWindow(band, index, values);
    if (this.#models.place === this.#models.count - 1) this.#label(band, index);
  }

  #at(step: number): { readonly band: Band; readonly window: number } {
    let window = step;
    for (const band of this.#work.cells.bands) {
      if (window < band.order.length) return { band, window };
      window -= band.order.length;
    }
    throw new RangeError(`There is no step ${step}.`);
  }

  #addWindow(band: Band, index: Vec3, values: Float32Array): void {
    const { plan } = this.#work;
    const start = index.map((at, axis) => plan.starts[axis][at]);
    const [xs, ys, zs] = band.edges.map((edges, axis) =>
      cellsIn(edges, start[axis], start[axis] + plan.roiSize[axis]),
    );
    for (let z = zs.start; z < zs.end; z++) {
      for (let y = ys.start; y < ys.end; y++) {
        for (let x = xs.start; x < xs.end; x++) {
          const cell = this.#cell(band, x, y, z);
          const isFirst = [x, y, z].every((at, axis) => band.first[axis][at] === index[axis]);
          // Another cell was here before.
          if (isFirst && this.#models.place === 0) cell.sums.fill(0);
          this.#addPart(values, start, cell);
        }
      }
    }
  }

  #cell({ edges, places }: Band, x: number, y: number, z: number): Cell {
    const { outChannels, weights, storage } = this.#work;
    const [xs, ys, zs] = edges;
    const size: Vec3 = [xs[x + 1] - xs[x], ys[y + 1] - ys[y], zs[z + 1] - zs[z]];
    const stored = storedChannels(outChannels, weights !== undefined);
    const place = places[(z * (ys.length - 1) + y) * (xs.length - 1) + x] * stored;
    const sums = storage.subarray(place, place + size[0] * size[1] * size[2] * stored);
    return { begin: [xs[x], ys[y], zs[z]], size, sums };
  }

  /** Adds the part of a window that lies in a cell. */
  #addPart(values: Float32Array, start: readonly number[], { begin, size, sums }: Cell): void {
    const { plan, axes, outChannels, weights } = this.#work;
    const [nx, ny, nz] = plan.roiSize;
    const [dx, dy, dz] = begin.map((at, axis) => at - start[axis]);
    const [width, height, depth] = size;
    const strideX = axes === 'xyz' ? ny * nz : 1;
    let to = 0;
    for (let c = 0; c < outChannels; c++) {
      for (let k = dz; k < dz + depth; k++) {
        for (let j = dy; j < dy + height; j++) {
          const row = axes === 'xyz' ? j * nz + k : (k * ny + j) * nx;
          let from = c * nx * ny * nz + row + dx * strideX;
          if (weights) {
            let w = (k * ny + j) * nx + dx;
            for (let i = 0; i < width; i++, from += strideX) sums[to++] += values[from] * weights[w++];
          } else {
            for (let i = 0; i < width; i++, from += strideX) sums[to++] += values[from];
          }
        }
      }
    }
    if (!weights) return;
    for (let k = dz; k < dz + depth; k++) {
      for (let j = dy; j < dy + height; j++) {
        const row = (k * ny + j) * nx + dx;
        for (let i = 0; i < width; i++) sums[to++] += weights[row + i];
      }
    }
  }

  /** Labels the voxels that no later window covers, or, along a path, those that read no later voxel. */
  #label(band: Band, index: Vec3): void {
    const { plan, size, decision, path, labels } = this.#work;
    const complete = index.map((at, axis): Range => {
      const starts = plan.starts[axis];
      const [low, high] = axis === 2 ? [band.low, band.high] : [0, size[axis]];
      return {
        start: at === 0 ? low : Math.max(starts[at], low),
        end: at + 1 < starts.length ? Math.min(starts[at + 1], high) : high,
      };
    });
    if (complete.some(({ start, end }) => start >= end)) return;
    const source = this.#source(band);
    if (!path) labelBoxInPlace(source, size, decision, complete, labels);
    else {
      const readers = complete.map((range, axis) =>
        readersOf(path.taps[axis].low, path.taps[axis].high, range),
      );
      labelBox(source, path, decision, readers, labels);
    }
  }

  /** The means of a band's sums. */
  #source(band: Band): LogitsSource {
    const { outChannels, difference } = this.#work;
    const zeros = difference ? 1 : 0;
    return {
      channels: outChannels + zeros,
      read: (z, x, y, width, height, out) => {
        if (difference) out.fill(0, 0, width * height);
        const into = out.subarray(zeros * width * height);
        const [xs, ys, zs] = band.edges;
        const rangeX = cellsIn(xs, x, x + width);
        const rangeY = cellsIn(ys, y, y + height);
        const { start: layer } = cellsIn(zs, z, z + 1);
        for (let b = rangeY.start; b < rangeY.end; b++) {
          for (let a = rangeX.start; a < rangeX.end; a++) {
            this.#readCell(this.#cell(band, a, b, layer), z, x, y, width, height, into);
          }
        }
      },
    };
  }

  /** Copies the means of the voxels that a cell shares with a part of a slice. */
  #readCell(
    { begin, size, sums }: Cell,
    z: number,
    x: number,
    y: number,
    width: number,
    height: number,
    out: Float32Array,
  ): void {
    const { outChannels, weights } = this.#work;
    const [xCounts, yCounts, zCounts] = this.#counts;
    const [left, right] = [Math.max(x, begin[0]), Math.min(x + width, begin[0] + size[0])];
    const [top, bottom] = [Math.max(y, begin[1]), Math.min(y + height, begin[1] + size[1])];
    const count = size[0] * size[1] * size[2];
    for (let c = 0; c < outChannels; c++) {
      for (let j = top; j < bottom; j++) {
        const row = ((z - begin[2]) * size[1] + j - begin[1]) * size[0] - begin[0];
        const to = (c * height + j - y) * width - x;
        if (weights) {
          for (let i = left; i < right; i++) {
            out[to + i] = sums[c * count + row + i] / sums[outChannels * count + row + i];
          }
        } else {
          const counted = yCounts[j] * zCounts[z] * this.#models.count;
          for (let i = left; i < right; i++) out[to + i] = sums[c * count + row + i] / (xCounts[i] * counted);
        }
      }
    }
  }
}

/** A box of voxels, and their sums: channel slowest, x fastest. */
interface Cell {
  readonly begin: Vec3;
  readonly size: Vec3;
  readonly sums: Float32Array;
}

/** The cells of an axis that contain voxels from `low` to `high` (exclusive). */
function cellsIn(edges: Int32Array, low: number, high: number): Range {
  const count = edges.length - 1;
  let start = 0;
  while (start < count && edges[start + 1] <= low) start++;
  let end = start;
  while (end < count && edges[end] < high) end++;
  return { start, end };
}

/** The voxels of an ascending path whose last read voxel is in a range. */
function readersOf(low: Int32Array, high: Int32Array, { start, end }: Range): Range {
  const isBefore = (limit: number) => {
    let at = 0;
    while (at < low.length && Math.max(low[at], high[at]) < limit) at++;
    return at;
  };
  return { start: isBefore(start), end: isBefore(end) };
}
