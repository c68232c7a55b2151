import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import type { Random } from '../volume/random.js';
import type { Vec3 } from '../volume/volume.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { mapRandomly } from './map.js';
import { resizeMode } from './resize.js';
import { zoomedForecast, zoomFactor, zoomTypes, zoomVolume } from './zoom.js';

/** One factor for all axes, one for x and y and another for z, or one per axis. */
const factors = z.union([
  zoomFactor.transform((n): readonly number[] => [n]),
  z.array(zoomFactor).min(1).max(3),
]);

/**
 * Scales all selected volumes by the same random factor about their middle, with probability `prob`. With
 * `keepSize`, they are cropped or padded to the size that they had. Affines follow: every structure keeps its
 * position in mm.
 *
 * Mirrors MONAI's `RandZoomd`, except that labels use nearest unless `mode` says otherwise; see `drawsFor`
 * for the random draws.
 *
 * @throws OptionError when built, if `minZoom` and `maxZoom` have different lengths, or their order is wrong.
 */
export const randZoom = operator({
  name: 'randZoom',
  summary: 'Randomly scales volumes.',
  mirrors:
    'RandZoomd, except that labels use nearest unless mode says otherwise; draws come from ' +
    "voxstream's random generator",
  options: {
    prob: probType,
    minZoom: factors
      .default([0.9])
      .describe('Smallest factor: one for all axes, two (x and y, then z), or one per axis'),
    maxZoom: factors.default([1.1]).describe('Largest factor, given in the same way'),
    ...zoomTypes,
    seed: seedType,
    keys: keysType('image and label'),
  },
  check: ({ minZoom, maxZoom }) => {
    if (minZoom.length !== maxZoom.length) {
      return [
        `minZoom and maxZoom must have the same number of factors, but they have ${minZoom.length} and ${maxZoom.length}`,
      ];
    }
    return minZoom.some((low, i) => low > maxZoom[i])
      ? [
          `minZoom must not be above maxZoom, but they are [${minZoom.join(', ')}] and [${maxZoom.join(', ')}]`,
        ]
      : [];
  },
  example: { prob: 0.2, minZoom: 0.9, maxZoom: 1.1 },
  forecast: ({ maxZoom, mode, paddingMode, alignCorners, keepSize, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume, key) =>
      zoomedForecast(volume, perAxisFactors(maxZoom), {
        mode: resizeMode(mode, volume, key),
        padding: paddingMode,
        alignCorners,
        keepSize,
      }),
    ),
  create: (options, context) =>
    mapRandomly(context, { ...options, defaults: geometryKeys }, (random) => {
      const drawn = perAxisFactors(drawFactors(random, options.minZoom, options.maxZoom));
      return (volume, key) =>
        zoomVolume(context.runtime, volume, key, drawn, {
          mode: resizeMode(options.mode, volume, key),
          padding: options.paddingMode,
          alignCorners: options.alignCorners,
          keepSize: options.keepSize,
        });
    }),
});

function drawFactors(random: Random, low: readonly number[], high: readonly number[]): number[] {
  return low.map((from, i) => random.uniform(from, high[i]));
}

/** One factor is for all axes; of two, the first is for x and y and the second for z. */
function perAxisFactors([first, second, third]: readonly number[]): Vec3 {
  if (third !== undefined) return [first, second, third];
  return [first, first, second ?? first];
}
