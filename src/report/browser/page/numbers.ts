import type { PageNumber } from '../../browserData.js';
import { showNumber } from '../../text.js';

/** The number that JSON stands for; undefined numbers are NaN. */
export function numberOf(value: PageNumber): number {
  if (value === null) return Number.NaN;
  if (typeof value === 'number') return value;
  return value === 'inf' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

export const show = (value: PageNumber, decimals: number): string => showNumber(numberOf(value), decimals);
