import { extent } from 'd3-array';
import { type ScaleLinear, scaleLinear } from 'd3-scale';
import { line, text } from './svg.js';

/** A linear scale with its ticks. */
export interface Scale {
  /** The values at both ends. */
  readonly domain: readonly [number, number];
  /** The pixel of a value. */
  readonly at: (value: number) => number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

/** What a scale is like besides the values that it must hold. */
export interface ScaleOptions {
  /** The pixels of both ends. */
  readonly range: readonly [number, number];
  /** The lowest and the highest value that the scale may reach. Default: any. */
  readonly limits?: readonly [number, number];
  /** Room beyond the values at both ends, as a share of their range. Default: 0.04. */
  readonly margin?: number;
  /** About how many ticks it has. Default: 6. */
  readonly ticks?: number;
  /** Whether only whole numbers get a tick. Default: false. */
  readonly whole?: boolean;
}

/**
 * A linear scale that holds all finite `values`. One value alone lies in the middle of the scale; without
 * any, it goes from 0 to 1.
 */
export function linearScale(values: Iterable<number>, options: ScaleOptions): Scale {
  const { range, limits = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], margin = 0.04 } = options;
  const finite = [...values].filter(Number.isFinite);
  let [low, high] = extent(finite) as [number, number] | [undefined, undefined];
  low ??= 0;
  high ??= 1;
  if (high - low < 1e-9 * Math.max(1, Math.abs(high))) {
    const reach = Math.abs(high) * 0.05 || 0.5;
    [low, high] = [low - reach, high + reach];
  }
  const room = (high - low) * margin;
  const domain = [Math.max(limits[0], low - room), Math.min(limits[1], high + room)] as const;
  const scale = scaleLinear(domain, range);
  return { domain, at: (value) => scale(value), ticks: ticksOf(scale, options) };
}

function ticksOf(
  scale: ScaleLinear<number, number>,
  { ticks: count = 6, whole = false }: ScaleOptions,
): Scale['ticks'] {
  const ticks = scale.ticks(count);
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  // Plain decimals, as many as the steps need. Very small numbers would not fit beside the axis.
  const format = scale.tickFormat(count, whole ? 'd' : step < 1e-4 ? '~e' : 'f');
  const label = (value: number) => (value === 0 && step < 1e-4 ? '0' : format(value).replace('e-', 'e−'));
  return ticks
    .filter((value) => !whole || Number.isInteger(value))
    .map((value) => ({ value, label: label(value) }));
}

/** Horizontal grid lines of a scale, with their numbers to the left. */
export function axisLeft(scale: Scale, left: number, right: number): string {
  const ticks = scale.ticks.map(({ value, label }) => {
    const y = scale.at(value);
    return (
      line(left, y, right, y, { class: 'grid' }) + text(left - 8, y + 4, 'end', label, { class: 'tick' })
    );
  });
  return ticks.join('');
}

/** Vertical grid lines of a scale. */
export const gridColumns = (scale: Scale, top: number, bottom: number): string =>
  scale.ticks
    .map(({ value }) => line(scale.at(value), top, scale.at(value), bottom, { class: 'grid' }))
    .join('');

/** The numbers of a scale below its chart, with a title. */
export function axisBelow(scale: Scale, bottom: number, title: string): string {
  const ticks = scale.ticks.map(({ value, label }) =>
    text(scale.at(value), bottom + 16, 'middle', label, { class: 'tick' }),
  );
  const middle = (scale.at(scale.domain[0]) + scale.at(scale.domain[1])) / 2;
  return ticks.join('') + text(middle, bottom + 34, 'middle', title, { class: 'axis' });
}

/** The pixels that numbers and title of a lower axis take. */
export const axisHeight = 44;
