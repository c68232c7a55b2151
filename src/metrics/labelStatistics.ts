import type { MetricDescription } from './metric.js';

const described = (name: string, title: string, unit?: string): MetricDescription => ({
  name,
  title,
  ...(unit && { unit }),
  range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  mean: false,
});

/** What the operator `labelStatistics` measures of each label. */
export const statisticsMetrics = {
  volume: { ...described('volume_mm3', 'Volume', 'mm³'), range: [0, Number.POSITIVE_INFINITY] },
  intensity: described('intensity', 'Mean intensity'),
} as const satisfies Readonly<Record<string, MetricDescription>>;

/** What it measures with `extra`. */
export const extraMetrics = {
  voxels: { ...described('n_voxels', 'Voxels'), range: [0, Number.POSITIVE_INFINITY] },
  std: described('intensity_std', 'Standard deviation of the intensity'),
  min: described('intensity_min', 'Lowest intensity'),
  max: described('intensity_max', 'Highest intensity'),
  centroid: (['x', 'y', 'z'] as const).map((axis) =>
    described(`centroid_${axis}`, `Centroid along ${axis}`, 'voxels'),
  ),
  low: (['x', 'y', 'z'] as const).map((axis) =>
    described(`first_${axis}`, `First voxel along ${axis}`, 'voxels'),
  ),
  high: (['x', 'y', 'z'] as const).map((axis) =>
    described(`last_${axis}`, `Last voxel along ${axis}`, 'voxels'),
  ),
} as const;
