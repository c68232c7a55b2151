import type { Range } from './labels.js';
import { allocate, type Vec3 } from './volume.js';
import { neighbours, type WindowPlan, windowIndex } from './windows.js';

/**
 * A part of a volume along z whose windows are added before those of the next part. Cells are the boxes that
 * the borders of its windows cut it into: each window covers whole cells.
 */
export interface Band {
  /** Per axis, where the cells begin, and where the last one ends. */
  readonly edges: readonly [Int32Array, Int32Array, Int32Array];
  /** Per axis and cell, the first of the axis's windows that covers it. */
  readonly first: readonly [Int32Array, Int32Array, Int32Array];
  /** The slices whose labels are decided in this band, from `low` to `high` (exclusive). */
  readonly low: number;
  readonly high: number;
  /** The windows in the order in which they are added. */
  readonly order: Int32Array;
  /** Where in the storage each cell is while it is in use, in voxels; cells are numbered x fastest. */
  readonly places: Float64Array;
}

/** How to add up windows with storage for only those voxels whose sums are under way. */
export interface CellPlan {
  readonly bands: readonly Band[];
  /** The number of windows of all bands. Windows that reach into two bands count twice. */
  readonly steps: number;
  /** The size of the storage, in voxels. */
  readonly voxels: number;
}

/** What limits a plan of cells. */
export interface CellLimits {
  /** Keep voxels until the next ones along each axis are complete, to interpolate between them. */
  readonly interpolate: boolean;
  /** The storage to aim for, in voxels. A volume that needs more is split into bands. */
  readonly voxels: number;
  /** Windows that one model runs before the next one does; see `modelTurns`. Default: 1. */
  readonly turn?: number;
}

/**
 * The runs of steps in which several models take turns: `turn` windows each, fewer at the end of a band. A
 * plan of cells must have been made with the same `turn`.
 */
export function modelTurns({ bands }: CellPlan, turn: number): Range[] {
  let first = 0;
  return bands.flatMap(({ order }) => {
    const begin = first;
    first += order.length;
    const count = Math.ceil(order.length / turn);
    return Array.from({ length: count }, (_, i) => ({
      start: begin + i * turn,
      end: Math.min(begin + (i + 1) * turn, first),
    }));
  });
}

/**
 * Plans the sums of windows so that a voxel takes storage only from the first window that covers it to the
 * last one. Every voxel's sum is added up in the order of the windows' numbers, so sums are bit-identical to
 * those of a whole volume.
 *
 * Where the storage would exceed `limits.voxels`, the volume is split into as few bands along z as needed.
 * Windows at the border of two bands are then run twice.
 */
export function planCells(plan: WindowPlan, size: Vec3, limits: CellLimits): CellPlan {
  const most = plan.starts[2].length;
  for (let count = 1; ; count++) {
    const cells = planBands(plan, size, count, limits);
    if (cells.voxels <= limits.voxels || count === most) return cells;
  }
}

function planBands(plan: WindowPlan, size: Vec3, count: number, limits: CellLimits): CellPlan {
  const starts = plan.starts[2];
  const cut = (band: number) => starts[Math.round((band * starts.length) / count)];
  const bands = Array.from({ length: count }, (_, band) => {
    const low = band === 0 ? 0 : cut(band);
    return planBand(plan, size, low, band === count - 1 ? size[2] : cut(band + 1), limits);
  });
  return {
    bands,
    steps: bands.reduce((sum, { order }) => sum + order.length, 0),
    voxels: Math.max(...bands.map(({ voxels }) => voxels)),
  };
}

function planBand(
  plan: WindowPlan,
  size: Vec3,
  low: number,
  high: number,
  { interpolate, turn = 1 }: CellLimits,
): Band & { readonly voxels: number } {
  const from = interpolate ? Math.max(low - 1, 0) : low;
  const axes = size.map((n, axis) =>
    axis === 2 ? cellsOf(plan, axis, from, high, interpolate) : cellsOf(plan, axis, 0, n, interpolate),
  );
  const order = windowOrder(plan, from, high);
  const { places, voxels } = placeCells(plan, axes, order, turn);
  const each = <T>(take: (cells: AxisCells) => T) => axes.map(take) as [T, T, T];
  return {
    edges: each(({ edges }) => edges),
    first: each(({ first }) => first),
    low,
    high,
    order,
    places,
    voxels,
  };
}

/** The cells of one axis. */
interface AxisCells {
  readonly edges: Int32Array;
  /** By cell, the first window of the axis that covers it, and the one after which it is not needed. */
  readonly first: Int32Array;
  readonly last: Int32Array;
}

/** Cuts an axis from `low` to `high` (exclusive) where windows begin and end. */
function cellsOf(
  { starts, roiSize }: WindowPlan,
  axis: number,
  low: number,
  high: number,
  interpolate: boolean,
): AxisCells {
  const roi = roiSize[axis];
  const cuts = starts[axis].flatMap((start) => [start, start + roi, ...(interpolate ? [start - 1] : [])]);
  const inside = cuts.filter((at) => at > low && at < high);
  const edges = Int32Array.from([...new Set([low, ...inside, high])].sort((a, b) => a - b));
  const lastAt = (at: number) => starts[axis].findLastIndex((start) => start <= at);
  const cells = edges.subarray(0, -1);
  return {
    edges,
    first: cells.map((begin) => starts[axis].findIndex((start) => start + roi > begin)),
    last: cells.map((begin, cell) => {
      const end = edges[cell + 1];
      return lastAt(interpolate && end < high ? end : begin);
    }),
  };
}

/**
 * The windows that reach into slices `low` to `high` (exclusive), in an order in which each comes after all
 * windows of a lower number that overlap or touch it.
 *
 * Along an axis, the last window is often moved back, and then overlaps the one before it by more than the
 * others. Both are run alternately, so that the sums in their overlap are complete soon.
 */
function windowOrder(plan: WindowPlan, low: number, high: number): Int32Array {
  const { starts, roiSize } = plan;
  const reaches = starts[2].map((start) => start < high && start + roiSize[2] > low);
  const indices = Array.from({ length: plan.count }, (_, index) => index).filter(
    (index) => reaches[windowIndex(plan, index)[2]],
  );
  const moved = starts.map((list, axis) => isLastMoved(list, roiSize[axis]));
  if (!moved.includes(true)) return Int32Array.from(indices);
  const windows = indices.map((index): WaitingWindow => {
    const at = windowIndex(plan, index);
    const key = at.flatMap((i, axis) => {
      const last = starts[axis].length - 1;
      return [moved[axis] && i === last ? last - 1 : i, -i];
    });
    return { index, at, key, waiting: 0, later: [] };
  });
  const byIndex = new Map(windows.map((window) => [window.index, window]));
  for (const window of windows) {
    for (const index of neighbours(plan, window.at)) {
      const other = byIndex.get(index);
      if (!other || index <= window.index) continue;
      window.later.push(other);
      other.waiting++;
    }
  }
  const ready = windows.filter(({ waiting }) => waiting === 0);
  const order: number[] = [];
  while (ready.length > 0) {
    let next = 0;
    for (let i = 1; i < ready.length; i++) if (isBefore(ready[i].key, ready[next].key)) next = i;
    const [window] = ready.splice(next, 1);
    order.push(window.index);
    for (const other of window.later) if (--other.waiting === 0) ready.push(other);
  }
  return Int32Array.from(order);
}

interface WaitingWindow {
  readonly index: number;
  readonly at: Vec3;
  /** Of the windows that are ready, the one with the smallest key is run first. */
  readonly key: readonly number[];
  /** How many overlapping windows of lower numbers are still to be run. */
  waiting: number;
  readonly later: WaitingWindow[];
}

/** True if the last window overlaps the one before it by more than the others do, by less than half each. */
function isLastMoved(starts: readonly number[], roi: number): boolean {
  const step = starts[1] - starts[0];
  const last = starts.length - 1;
  return last > 1 && step >= roi / 2 && starts[last] - starts[last - 1] < step;
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at >= 0 && a[at] < b[at];
}

/** Gives cells their places in the storage, from the first window that covers them to the last one. */
function placeCells(
  plan: WindowPlan,
  axes: readonly AxisCells[],
  order: Int32Array,
  turn: number,
): { readonly places: Float64Array; readonly voxels: number } {
  const [xs, ys, zs] = axes;
  const [nx, ny, nz] = axes.map(({ first }) => first.length);
  const [, countY, countZ] = plan.starts.map(({ length }) => length);
  const steps = new Int32Array(plan.count);
  order.forEach((window, step) => {
    steps[window] = Math.floor(step / turn);
  });
  const turns = Math.ceil(order.length / turn);
  const begin = Array.from({ length: turns }, (): Cell[] => []);
  const end = Array.from({ length: turns }, (): Cell[] => []);
  const stepOf = (x: number, y: number, z: number) => steps[(x * countY + y) * countZ + z];
  const width = ({ edges }: AxisCells, cell: number) => edges[cell + 1] - edges[cell];
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++) {
        const cell = {
          index: (z * ny + y) * nx + x,
          voxels: width(xs, x) * width(ys, y) * width(zs, z),
        };
        begin[stepOf(xs.first[x], ys.first[y], zs.first[z])].push(cell);
        end[stepOf(xs.last[x], ys.last[y], zs.last[z])].push(cell);
      }
    }
  }
  const places = allocate('float64', nx * ny * nz);
  const storage = new Storage();
  for (let step = 0; step < turns; step++) {
    // Large cells first: small ones fit into the gaps between them.
    begin[step].sort((a, b) => b.voxels - a.voxels);
    for (const { index, voxels } of begin[step]) places[index] = storage.take(voxels);
    for (const { index, voxels } of end[step]) storage.release(places[index], voxels);
  }
  return { places, voxels: storage.size };
}

interface Cell {
  readonly index: number;
  readonly voxels: number;
}

/** Gives out places in a storage that grows as needed: the first gap that is large enough. */
class Storage {
  size = 0;
  readonly #gaps: { at: number; length: number }[] = [];

  take(length: number): number {
    const found = this.#gaps.findIndex((gap) => gap.length >= length);
    if (found >= 0) {
      const gap = this.#gaps[found];
      const { at } = gap;
      gap.at += length;
      gap.length -= length;
      if (gap.length === 0) this.#gaps.splice(found, 1);
      return at;
    }
    const last = this.#gaps.at(-1);
    const at = last && last.at + last.length === this.size ? last.at : this.size;
    if (at < this.size) this.#gaps.pop();
    this.size = at + length;
    return at;
  }

  release(at: number, length: number): void {
    let next = this.#gaps.findIndex((gap) => gap.at > at);
    if (next < 0) next = this.#gaps.length;
    const before = this.#gaps[next - 1];
    const after = this.#gaps[next];
    const joinsBefore = before !== undefined && before.at + before.length === at;
    const joinsAfter = after !== undefined && at + length === after.at;
    if (joinsBefore) before.length += length + (joinsAfter ? after.length : 0);
    else if (joinsAfter) {
      after.at = at;
      after.length += length;
    } else this.#gaps.splice(next, 0, { at, length });
    if (joinsBefore && joinsAfter) this.#gaps.splice(next, 1);
  }
}
