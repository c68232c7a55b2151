import { showFile } from '../inputFiles.js';
import { groupBy } from './groupBy.js';
import type { DicomFile, Slice, SliceKeys } from './header.js';
import {
  centreOf,
  dot,
  isPlaced,
  minus,
  nameOf,
  normalOf,
  type PlacedSlice,
  placeFault,
  type Stack,
  type StackFault,
  type StackOptions,
  sortSlices,
  stackSlices,
} from './stack.js';

/** A volume that the files of one series hold. */
export interface SeriesVolume {
  /**
   * What tells it from the other volumes of its series, e.g. `temporalPosition 2`; empty if it is the only
   * one.
   */
  readonly part: string;
  readonly slices: readonly Slice[];
  /** Why it cannot be read, as a sentence; undefined if it can. */
  readonly fault?: string;
  readonly stack?: Stack;
  /** How it was resampled, as a sentence. */
  readonly note?: string;
}

/** The volumes of a series, and what was left out, a sentence each. */
export interface SeriesContent {
  readonly volumes: readonly SeriesVolume[];
  readonly notes: readonly string[];
}

/** Keys by which a series may be split, the most telling first. */
const keyNames = [
  'temporalPosition',
  'echo',
  'imageType',
  'diffusion',
  'stack',
  'trigger',
  'frameTime',
  'acquisition',
  'acquisitionTime',
] as const satisfies readonly (keyof SliceKeys)[];

type KeyName = (typeof keyNames)[number];

/** Keys that may vary along one volume, so that they split it only where slices lie at the same position. */
const weakKeys: ReadonlySet<KeyName> = new Set(['acquisition', 'acquisitionTime', 'trigger', 'frameTime']);

/**
 * The volumes that the files of one series hold. Slices of different sizes, spacings or orientations never
 * share a volume; slices at the same positions are split by what tells them apart (time, echo, image type, …)
 * if each part is regular.
 */
export function seriesVolumes(files: readonly DicomFile[], options: StackOptions): SeriesContent {
  const slices = files.flatMap((file) => file.slices);
  const faulty = files.find(({ fault }) => fault !== undefined);
  if (faulty) return refused(slices, `${faulty.file} ${faulty.fault}.`);
  const unplaced = slices.find((slice) => !isPlaced(slice));
  if (unplaced) return refused(slices, `${nameOf(unplaced)} ${placeFault(unplaced)}.`);

  const groups = groupByShape(slices.filter(isPlaced)).sort((a, b) => b.length - a.length);
  const { kept, notes, fault } = leaveOutStrays(groups);
  if (fault !== undefined) return refused(slices, fault);
  const volumes = kept.flatMap((group, i) => {
    const shape = kept.length > 1 ? `shape ${i + 1}` : '';
    return splitGroup(group, options).map(({ part, ...volume }) => ({
      ...volume,
      part: [shape, part].filter(Boolean).join(', '),
    }));
  });
  return { volumes, notes };
}

function refused(slices: readonly Slice[], fault: string): SeriesContent {
  return { volumes: [{ part: '', slices, fault }], notes: [] };
}

/** Slices by size, pixel spacing and orientation, as far as rounding tells them apart. */
function groupByShape(slices: readonly PlacedSlice[]): PlacedSlice[][] {
  const groups: PlacedSlice[][] = [];
  for (const slice of slices) {
    const group = groups.find(([first]) => sameShape(first, slice));
    if (group) group.push(slice);
    else groups.push([slice]);
  }
  return groups;
}

function sameShape(a: PlacedSlice, b: PlacedSlice): boolean {
  const close = (x: readonly number[], y: readonly number[]) =>
    x.every((value, i) => Math.abs(value - y[i]) < 1e-3);
  return (
    a.file.layout.rows === b.file.layout.rows &&
    a.file.layout.columns === b.file.layout.columns &&
    close(a.orientation, b.orientation) &&
    close(a.spacing, b.spacing)
  );
}

/**
 * Single slices beside a larger group are localizers or the like, and left out, unless one continues the
 * group.
 */
function leaveOutStrays(groups: readonly PlacedSlice[][]): {
  kept: readonly PlacedSlice[][];
  notes: string[];
  fault?: string;
} {
  const [main] = groups;
  const kept = groups.filter((group) => group === main || group.length > 1);
  const strays = main.length > 1 ? groups.filter((group) => group !== main && group.length === 1).flat() : [];
  const notes = strays.map(
    (stray) =>
      `${nameOf(stray)} is a single slice of another size or orientation than the rest of its series; it is left out.`,
  );
  const next = strays.find((stray) => continues(main, stray));
  if (next) {
    const fault =
      `${nameOf(next)} has another size or orientation than the other slices of its series, but lies at their end, so that ` +
      'the volume would lack a slice. Correct its header, or remove the file.';
    return { kept, notes: [], fault };
  }
  return { kept: main.length > 1 ? kept : groups, notes };
}

/** True if the centre of a slice lies where the next one at either end of a group is expected. */
function continues(group: readonly PlacedSlice[], stray: PlacedSlice): boolean {
  const sorted = sortSlices(group);
  const normal = normalOf(sorted[0].orientation);
  const [first, last] = [centreOf(sorted[0]), centreOf(sorted[sorted.length - 1])];
  const whole = minus(last, first);
  const length = dot(whole, normal);
  const offset = minus(centreOf(stray), first);
  const along = dot(offset, normal);
  const beside = minus(offset, [0, 1, 2].map((i) => (whole[i] * along) / length) as unknown as typeof whole);
  const step = length / (sorted.length - 1);
  const beyond = Math.max(-along, along - length);
  return beyond > 0 && beyond < 1.5 * step && Math.hypot(...beside) < step;
}

/** A group as one volume or, where it makes none, by the keys that tell its slices apart. */
function splitGroup(group: readonly PlacedSlice[], options: StackOptions): SeriesVolume[] {
  const varying = keyNames.filter((name) => {
    const values = new Set(group.map(({ keys }) => keys[name]));
    return values.size > 1 && values.size <= group.length / 3;
  });
  const strict = stackSlices(group, {});
  const strong = varying.filter((name) => !weakKeys.has(name));
  if ('kind' in strict) {
    const duplicate = strict.kind === 'duplicate';
    for (const names of subsets(duplicate ? varying : strong)) {
      const parts = partBy(group, names, (fault) => fault === undefined, options);
      if (parts) return parts;
    }
    // Parts that can be separated with certainty fail separately.
    for (const names of subsets(duplicate ? strong : [])) {
      const parts = partBy(group, names, (fault) => fault?.kind !== 'duplicate', options);
      if (parts) return parts;
    }
  } else {
    // Interleaved slices of two times or kinds can look like one regular stack.
    const mixed = strong.filter((name) => runs(strict.slices, name) > countValues(group, name));
    const parts = mixed.length > 0 && partBy(group, mixed, (fault) => fault === undefined, options);
    if (parts) return parts;
  }
  return [asVolume('', group, options)];
}

/** Slices as one volume, refused or not. */
function asVolume(part: string, group: readonly PlacedSlice[], options: StackOptions): SeriesVolume {
  const stack = stackSlices(group, options);
  const name = showFile({ series: [...new Set(group.map(({ file }) => file.file))], part });
  if ('kind' in stack) return { part, slices: group, fault: `${name} ${stack.text}.` };
  const strict = stackSlices(group, {});
  if (!('kind' in strict)) return { part, slices: stack.slices, stack };
  const note = `${group.length} slices were resampled to ${stack.planes.length}, since ${name} ${strict.text}.`;
  return { part, slices: stack.slices, stack, note };
}

/** The parts of a group by some keys, if each has at least three slices and a fault that `accepts` allows. */
function partBy(
  group: readonly PlacedSlice[],
  names: readonly KeyName[],
  accepts: (fault: StackFault | undefined) => boolean,
  options: StackOptions,
): SeriesVolume[] | undefined {
  const parts = groupBy(group, ({ keys }) =>
    names.map((name) => `${name} ${keys[name] ?? 'none'}`).join(', '),
  );
  const sound = [...parts.values()].every((slices) => {
    const stack = stackSlices(slices, {});
    return slices.length >= 3 && accepts('kind' in stack ? stack : undefined);
  });
  return sound ? [...parts].map(([part, slices]) => asVolume(part, slices, options)) : undefined;
}

/** Each name alone, then pairs, then all together. */
function subsets(names: readonly KeyName[]): KeyName[][] {
  const pairs = names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b]));
  return [...names.map((name) => [name]), ...pairs, ...(names.length > 2 ? [[...names]] : [])];
}

function countValues(slices: readonly Slice[], name: KeyName): number {
  return new Set(slices.map(({ keys }) => keys[name])).size;
}

/** How many times a key's value changes along a stack, plus one. */
function runs(sorted: readonly Slice[], name: KeyName): number {
  return 1 + sorted.filter(({ keys }, i) => i > 0 && keys[name] !== sorted[i - 1].keys[name]).length;
}
