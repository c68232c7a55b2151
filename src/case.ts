import { DataError, listNames } from './errors.js';
import { withoutActing } from './harmless.js';
import { nameValues } from './metrics/columns.js';
import type { MetricValue } from './metrics/metric.js';
import type { LabelRegion } from './volume/regionMasks.js';
import type { Slab } from './volume/slabs.js';
import type { Grid, Vec3, Volume } from './volume/volume.js';

/** The DICOM files of one series, which form one volume. */
export interface SeriesFiles {
  readonly series: readonly string[];
  /**
   * Selects a volume if the files contain several, e.g. `temporalPosition 2`. The error that asks for it
   * lists them.
   */
  readonly part?: string;
  /** What to do if the distances between slices vary. Default: `refuse`. */
  readonly irregular?: 'refuse' | 'resample';
  /** What to do if slices are missing. Default: `refuse`. */
  readonly missing?: 'refuse' | 'resample';
  /**
   * A DICOM segmentation (SEG) of the series. It is read instead of the images, as a label map on their grid.
   */
  readonly segmentation?: string;
}

/** Image files on the same grid whose channels become the channels of one volume, in order. */
export interface ChannelFiles {
  readonly channels: readonly string[];
}

/** Files whose format states no voxel size (TIFF), with their voxel size in mm along x, y and z. */
export interface SpacedFile {
  readonly file: string | ChannelFiles;
  readonly spacing: Vec3;
}

/**
 * The input of a volume: the path of an image file, files to stack, a file with its voxel size, or the files
 * of a DICOM series.
 */
export type CaseFile = string | ChannelFiles | SpacedFile | SeriesFiles;

/** One patient's data on its way through a stream. It is read-only: an operator returns a new case. */
export interface Case {
  /** The case's name, unique in a dataset. Usually the image's file name without extensions. */
  readonly id: string;
  /**
   * Files to read, by key: `{ image: 'imagesTr/spleen_2.nii.gz', label: … }`, or `{ image: { series:
   * ['ct/1.dcm', …] } }`.
   */
  readonly files: Readonly<Record<string, CaseFile>>;
  /** Volumes by key (`image`, `label`, `pred`, …), as in MONAI's dictionary transforms. */
  readonly volumes: Readonly<Record<string, Volume>>;
  /** The metrics measured so far, in order. */
  readonly metrics: readonly MetricValue[];
  /** Seconds that each step took, without waiting time. */
  readonly timings: Readonly<Record<string, number>>;
  /** Names of the dataset's label values, if the source knows them: `{ 1: 'spleen' }`. */
  readonly labelNames?: Readonly<Record<number, string>>;
  /** Regions to evaluate instead of single labels, where the dataset defines them (nnU-Net). */
  readonly regions?: readonly LabelRegion[];
  /**
   * The label of voxels in the reference that are not annotated (nnU-Net's `ignore`): metrics leave them out.
   */
  readonly ignoreLabel?: number;
  /** Assumptions about its data, as full sentences; see `withNotes`. */
  readonly notes?: readonly string[];
  /** The slab of its volumes that it holds, between `splitSlabs` and `joinSlabs`. */
  readonly slabs?: CaseSlab;
  /** In training: the epoch, from 0. Random steps draw new numbers in each epoch. Default: 0. */
  readonly epoch?: number;
}

/** One of the slabs into which a case is split. */
export interface CaseSlab {
  readonly index: number;
  readonly plan: readonly Slab[];
  /** The grid of the whole volume. */
  readonly from: Grid;
  /** Those from before the split. */
  readonly timings: Case['timings'];
}

/** What remains of a successful case. */
export type FinishedCase = Pick<Case, 'id' | 'metrics' | 'timings'>;

/** A new case, by default with nothing but its id. */
export function makeCase(fields: Pick<Case, 'id'> & Partial<Case>): Case {
  return { files: {}, volumes: {}, metrics: [], timings: {}, ...fields };
}

/** The case with some of its volumes replaced or added. */
export function withVolumes(subject: Case, volumes: Readonly<Record<string, Volume>>): Case {
  return { ...subject, volumes: { ...subject.volumes, ...volumes } };
}

/**
 * The case with some metrics added.
 *
 * @throws DataError if two values would have the same name in files.
 */
export function withMetrics(subject: Case, added: readonly MetricValue[]): Case {
  const metrics = [...subject.metrics, ...added];
  nameValues(metrics);
  return { ...subject, metrics };
}

/**
 * The case with notes added. A note is a full sentence for the user about an assumption about the case's
 * data. Duplicates are dropped. A run reports each note as a warning, and `summary.json` lists them.
 */
export function withNotes(subject: Case, notes: readonly string[]): Case {
  const all = [...new Set([...(subject.notes ?? []), ...notes])];
  return all.length > 0 ? { ...subject, notes: all } : subject;
}

/**
 * A case's id as one part of a path. Characters that could leave the folder or have a special meaning in a
 * file system become `_`.
 */
export function fileNameOf(id: string): string {
  const name = withoutActing(id).replace(/[/\\:*?"<>|]/g, '_');
  return /^\.+$/.test(name) ? name.replaceAll('.', '_') : name;
}

/** One or several keys, the type of the operators' `keys` options. */
export type Keys = string | readonly string[];

/** The default keys of geometric steps: `image` and `label`, if the case has them. */
export const geometryKeys = ['image', 'label'];

/** The key if there is exactly one, otherwise undefined. */
export function onlyKey(keys: Keys): string | undefined {
  const [key, ...others] = [keys].flat();
  return others.length === 0 ? key : undefined;
}

/**
 * The keys to work on: the requested ones, otherwise the `defaults` that the case has. Throws DataError if
 * there are none.
 */
export function chooseKeys(
  subject: Case,
  keys: Keys | undefined,
  defaults: readonly string[],
): readonly string[] {
  if (keys !== undefined) return typeof keys === 'string' ? [keys] : keys;
  const present = defaults.filter((key) => key in subject.volumes);
  if (present.length === 0) {
    throw new DataError(
      `Case ${subject.id} has no volume ${listNames(defaults, 'or')} to work on; it has ` +
        `${listNames(Object.keys(subject.volumes))}. Name the volume with "keys".`,
    );
  }
  return present;
}

/** The volume with a key. Throws DataError that lists the existing volumes if there is none. */
export function volumeOf(subject: Case, key: string): Volume {
  const volume = subject.volumes[key];
  if (!volume) {
    throw new DataError(
      `Case ${subject.id} has no volume "${key}"; it has ${listNames(Object.keys(subject.volumes))}.`,
    );
  }
  return volume;
}
