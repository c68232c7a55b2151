/**
 * How many decimals show three significant digits of numbers up to `largest`: 3 up to one, none from a
 * hundred on.
 */
export function decimalsFor(largest: number): number {
  if (!Number.isFinite(largest) || largest <= 1) return 3;
  return Math.max(0, 3 - String(Math.floor(largest)).length);
}

/** A number with a real minus sign; a dash for an undefined one, and ∞ for infinite ones. */
export function showNumber(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return value
    .toFixed(decimals)
    .replace(/^-(?=.*[1-9])/, '−')
    .replace(/^-/, '');
}

/** Seconds as a person reads them, with a decimal below ten: `4.2 s`, `42 s`, `3 min 20 s`, `1 h 05 min`. */
export function showSeconds(seconds: number): string {
  return seconds < 9.95 ? `${seconds.toFixed(1)} s` : showWholeSeconds(seconds);
}

/** Seconds as a person reads them, rounded: `8 s`, `3 min 20 s`, `2 h 05 min`. */
export function showWholeSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const twoDigits = (number: number) => String(number).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}
