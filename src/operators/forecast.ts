import type { Keys } from '../case.js';
import type { FileGrid } from '../formats/index.js';
import { planResample } from '../volume/resample.js';
import {
  type Grid,
  type HistoryStep,
  type InterpolationMode,
  type ResamplePadding,
  type VolumeKind,
  voxelCount,
} from '../volume/volume.js';

/** A volume as it will be: what is known of it before its voxels are read. */
export interface VolumeForecast extends Grid {
  readonly channels: number;
  /** Bytes of one voxel of one channel. */
  readonly bytesPerVoxel: number;
  readonly kind: VolumeKind;
  /** Its invertible geometric steps, oldest first, as those of a `Volume`. */
  readonly history: readonly HistoryStep[];
}

/** A case as it will be after some steps, and the memory that it takes on the way. */
export interface Forecast {
  /** What the headers of its files say. */
  readonly files: Readonly<Record<string, FileGrid>>;
  readonly volumes: Readonly<Record<string, VolumeForecast>>;
  /** Most bytes that it holds at once, up to here. */
  readonly peak: number;
}

/** Works out what a step makes of a case's volumes, as far as their sizes go. */
export type Forecaster = (subject: Forecast) => Forecast;

/** Bytes of a volume's voxels. */
export function bytesOf({ size, channels, bytesPerVoxel }: Omit<VolumeForecast, 'kind' | 'history'>): number {
  return voxelCount(size) * channels * bytesPerVoxel;
}

/**
 * The case after a step that replaces or adds volumes. Until it ends there are the old ones, the new ones, and `working`
 * bytes that it needs for itself.
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
 * Forecasts a step that replaces each chosen volume, as `mapVolumes` does; a volume that comes back as it is takes no memory.
 *
 * @param working Bytes that the step needs for itself while it makes one volume.
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

/** Forecasts a step that computes volumes anew in float32, on the same grid. */
export function foreseeFloats(
  keys: Keys | undefined,
  defaults: readonly string[],
  kind: VolumeKind,
): Forecaster {
  return foreseeVolumes(keys, defaults, (volume) => ({ ...volume, bytesPerVoxel: 4, kind }));
}

/** Forecasts a step that copies label maps and cleans them, with masks of labels beside: at most a byte per voxel. */
export function foreseeCleaning(keys: Keys | undefined, defaults: readonly string[]): Forecaster {
  return foreseeVolumes(
    keys,
    defaults,
    (volume) => ({ ...volume }),
    ({ size }) => voxelCount(size),
  );
}

/** A volume that a geometric step brought to another grid. */
export function onGrid(volume: VolumeForecast, grid: Grid, step: StepFromGrid): VolumeForecast {
  const from = { size: volume.size, affine: volume.affine };
  return { ...volume, size: grid.size, affine: grid.affine, history: [...volume.history, { ...step, from }] };
}

/** A geometric step without the grid that it came from. */
type StepFromGrid = HistoryStep extends infer S ? (S extends HistoryStep ? Omit<S, 'from'> : never) : never;

/** A volume that was resampled to a grid; as it is where it lies on it already. */
export function resampledForecast(
  volume: VolumeForecast,
  grid: Grid,
  { mode, padding }: { readonly mode: InterpolationMode; readonly padding: ResamplePadding },
): VolumeForecast {
  if (planResample(volume, grid, mode, padding) === 'same') return volume;
  const resampled = onGrid(volume, grid, { step: 'resample', padding });
  return mode === 'nearest' ? resampled : { ...resampled, bytesPerVoxel: 4 };
}

/** A volume as it is read from a file. */
export function readAs(
  { size, affine, channels, bytesPerVoxel }: FileGrid,
  kind: VolumeKind,
): VolumeForecast {
  return { size, affine, channels, bytesPerVoxel, kind, history: [] };
}
