import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { shiftHistogram } from '../volume/histogramShift.js';
import type { Random } from '../volume/random.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapRandomly } from './map.js';

const shiftHistogramTask = task(new URL('../volume/histogramShift.js', import.meta.url), shiftHistogram);

const points = z.int().min(3).max(1000);

/**
 * Maps the intensities of the selected volumes along a random curve that rises from the smallest to the
 * largest one, with probability `prob`. The result is float32.
 *
 * Mirrors MONAI's `RandHistogramShiftd`; see `drawsFor` for the random draws.
 */
export const randHistogramShift = operator({
  name: 'randHistogramShift',
  summary: 'Randomly maps intensities along a rising curve.',
  mirrors: "RandHistogramShiftd; draws come from voxstream's random generator",
  options: {
    prob: probType,
    numControlPoints: z
      .union([points.transform((n): readonly [number, number] => [n, n]), z.tuple([points, points])])
      .default([10, 10])
      .describe('The number of control points of the curve (at least 3), or a range that it is drawn from'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { prob: 0.2, numControlPoints: [5, 10] },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: (options, context) =>
    mapRandomly(context, { ...options, defaults: ['image'] }, (random) => {
      const places = drawCurve(random, options.numControlPoints);
      return (volume) => context.runtime.run(shiftHistogramTask, volume, places);
    }),
});

/** Equally spaced points from 0 to 1, each moved between the one before it, already moved, and the next. */
function drawCurve(random: Random, range: readonly [number, number]): number[] {
  const [least, most] = [Math.min(...range), Math.max(...range)];
  const count = least + random.integer(most - least + 1);
  const places = Array.from({ length: count }, (_, i) => i / (count - 1));
  for (let i = 1; i < count - 1; i++) places[i] = random.uniform(places[i - 1], places[i + 1]);
  return places;
}
