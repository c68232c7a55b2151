import type { Keys } from '../case.js';
import type { FileGrid } from '../formats/index.js';
import { type AxisMap, isIdentity, mapGridAxes } from '../volume/orientation.js';
import { planResample } from '../volume/resample.js';
import {
  type Grid,
  type HistoryStep,
  type InterpolationMode,
  type ResamplePadding,
  type VolumeKind,
  voxelCount,
} from '../volume/volume.js';

/** What is known of a volume before its voxels are read. */
export interface VolumeForecast extends Grid {
  readonly channels: number;
  /** Bytes per voxel of one channel. */
  readonly bytesPerVoxel: number;
  readonly kind: VolumeKind;
  /** Its invertible geometric steps, oldest first, as in `Volume`. */
  readonly history: readonly HistoryStep[];
}

/** The expected state of a case after some steps, and the memory it takes to get there. */
export interface Forecast {
  /** From the headers of the case's files. */
  readonly files: Readonly<Record<string, FileGrid>>;
  readonly volumes: Readonly<Record<string, VolumeForecast>>;
  /** Peak memory up to this point, in bytes. */
  readonly peak: number;
}

/** Predicts the sizes of the volumes that a step creates. */
export type Forecaster = (subject: Forecast) => Forecast;

/** Size of a volume's voxels in bytes. */
export function bytesOf({ size, channels, bytesPerVoxel }: Omit<VolumeForecast, 'kind' | 'history'>): number {
  return voxelCount(size) * channels * bytesPerVoxel;
}

/**
 * The case after a step that replaces or adds volumes. Until the step ends, the old volumes, the new ones and
 * `working` bytes of scratch memory exist at the same time.
 */
export function foresee(
  subject: Forecast,
  made: Readonly<Record<string, VolumeForecast>>,
  working = 0,
): Forecast {
  const held = new Set([...Object.values(subject.volumes), ...Object.values(made)]);
  let bytes = working;
  for (const volume of held) bytes += bytesOf(volume);
  return {
    ...subject,
    volumes: { ...subject.volumes, ...made },
    peak: Math.max(subject.peak, bytes),
  };
}

/**
 * Predicts a step that replaces each selected volume, as `mapVolumes` does. A volume that is returned
 * unchanged takes no memory.
 *
 * @param working Scratch memory in bytes that the step needs while it creates one volume.
 */
export function foreseeVolumes(
  keys: Keys | undefined,
  defaults: readonly string[],
  work: (volume: VolumeForecast, key: string, subject: Forecast) => VolumeForecast,
  working: (volume: VolumeForecast, subject: Forecast) => number = () => 0,
): Forecaster {
  return (subject) => {
    const chosen = [keys ?? defaults].flat().filter((key) => key in subject.volumes);
    const made = Object.fromEntries(chosen.map((key) => [key, work(subject.volumes[key], key, subject)]));
    const extra = chosen.map((key) =>
      made[key] === subject.volumes[key] ? 0 : working(subject.volumes[key], subject),
    );
    return foresee(subject, made, Math.max(0, ...extra));
  };
}

/** Predicts a step that computes new float32 volumes on the same grid. */
export function foreseeFloats(
  keys: Keys | undefined,
  defaults: readonly string[],
  kind: VolumeKind,
): Forecaster {
  return foreseeVolumes(keys, defaults, (volume) => ({ ...volume, bytesPerVoxel: 4, kind }));
}

/**
 * Predicts a step that copies label maps and cleans them. Its masks of single labels take at most one byte
 * per voxel.
 */
export function foreseeCleaning(keys: Keys | undefined, defaults: readonly string[]): Forecaster {
  return foreseeVolumes(
    keys,
    defaults,
    (volume) => ({ ...volume }),
    ({ size }) => voxelCount(size),
  );
}

/** The volume after a geometric step moved it to another grid. */
export function onGrid(volume: VolumeForecast, grid: Grid, step: StepFromGrid): VolumeForecast {
  const from = { size: volume.size, affine: volume.affine };
  return { ...volume, size: grid.size, affine: grid.affine, history: [...volume.history, { ...step, from }] };
}

/** The volume after its voxel axes were permuted and flipped. */
export function turnedForecast(volume: VolumeForecast, map: AxisMap): VolumeForecast {
  return isIdentity(map) ? volume : onGrid(volume, mapGridAxes(volume, map), { step: 'orient', ...map });
}

/** A geometric step without its original grid. */
type StepFromGrid = HistoryStep extends infer S ? (S extends HistoryStep ? Omit<S, 'from'> : never) : never;

/** The volume after resampling to a grid, or the same volume if it is on that grid already. */
export function resampledForecast(
  volume: VolumeForecast,
  grid: Grid,
  { mode, padding }: { readonly mode: InterpolationMode; readonly padding: ResamplePadding },
): VolumeForecast {
  if (planResample(volume, grid, mode, padding) === 'same') return volume;
  const resampled = onGrid(volume, grid, { step: 'resample', padding });
  return mode === 'nearest' ? resampled : { ...resampled, bytesPerVoxel: 4 };
}

/** The volume as it is read from a file. */
export function readAs(
  { size, affine, channels, bytesPerVoxel }: FileGrid,
  kind: VolumeKind,
): VolumeForecast {
  return { size, affine, channels, bytesPerVoxel, kind, history: [] };
}
