import { isMetric } from './defineMetric.js';
import { optionsFor, type PlacedStep } from './fusion.js';
import { resampleToMatch } from './resampleToMatch.js';
import { spacing } from './spacing.js';

/**
 * True if steps bring volumes of different grids together: `resampleToMatch` does, and `spacing` may. Metrics
 * compare with the reference as it was stored, which `spacing` does not help.
 */
export function regridded(later: readonly PlacedStep[]): boolean {
  if (later.some((step) => optionsFor(step, resampleToMatch))) return true;
  const measured = later.some(({ definition }) => isMetric(definition));
  return !measured && later.some((step) => optionsFor(step, spacing));
}
