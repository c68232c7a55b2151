import { escapeHtml } from '../html.js';

/** Coordinates have one decimal: a tenth of a pixel is more than anyone sees. */
export const digits = 1;

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An SVG element. Attributes that are undefined are left out; `content` is SVG. */
export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const given = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${escapeHtml(String(value))}"`],
  );
  return `<${name}${given.join('')}>${content.join('')}</${name}>`;
}

const rounded = (coordinate: number) => Number(coordinate.toFixed(digits));

export const line = (x1: number, y1: number, x2: number, y2: number, attributes: Attributes): string =>
  element('line', { ...attributes, x1: rounded(x1), y1: rounded(y1), x2: rounded(x2), y2: rounded(y2) });

export const rect = (x: number, y: number, width: number, height: number, attributes: Attributes): string => {
  const place = { x: rounded(x), y: rounded(y), width: rounded(width), height: rounded(height) };
  return element('rect', { ...attributes, ...place });
};

export const circle = (cx: number, cy: number, r: number, attributes: Attributes): string =>
  element('circle', { ...attributes, cx: rounded(cx), cy: rounded(cy), r });

export const path = (d: string | null, attributes: Attributes): string =>
  element('path', { ...attributes, d: d ?? '' });

/** Text that starts, ends or is centred at x, on the baseline y. */
export function text(
  x: number,
  y: number,
  anchor: 'start' | 'middle' | 'end',
  content: string,
  attributes: Attributes = {},
): string {
  const place = { x: rounded(x), y: rounded(y), 'text-anchor': anchor };
  return element('text', { ...attributes, ...place }, escapeHtml(content));
}

/** Text that runs upwards, centred at a point. */
export function uprightText(x: number, y: number, content: string, attributes: Attributes): string {
  const transform = `translate(${rounded(x)} ${rounded(y)}) rotate(-90)`;
  return element('text', { ...attributes, 'text-anchor': 'middle', transform }, escapeHtml(content));
}

/** A value of a chart, and the number of its case in the report. */
export interface ChartPoint {
  readonly value: number;
  readonly case: number;
  /** Whether it is marked as an outlier. Default: false. */
  readonly outlier?: boolean;
}

/** A point, and where it is drawn. */
export interface PlacedPoint extends ChartPoint {
  readonly x: number;
  readonly y: number;
}

/**
 * Points that the page's script draws when their chart is shown. It shows a tip for each, and opens its case.
 * As numbers in one attribute they take a third of the space of elements, and a page with many hidden charts
 * stays fast.
 */
export function dots(points: readonly PlacedPoint[]): string {
  if (points.length === 0) return '';
  const list = points.map(({ case: index, value, x, y, outlier }) =>
    [index, Number(value.toPrecision(6)), rounded(x), rounded(y), ...(outlier ? ['o'] : [])].join(' '),
  );
  return element('g', { class: 'dots', 'data-dots': list.join(',') });
}

/**
 * A chart of a size in pixels. `name` is how tests and the page find it, `label` what a screen reader says.
 */
export function chart(
  { name, label, width, height }: { name: string; label: string; width: number; height: number },
  ...content: readonly string[]
): string {
  const kind = width > halfWidth ? 'plot wide' : 'plot';
  const shape = { viewBox: `0 0 ${width} ${height}`, width, height };
  return element(
    'svg',
    { class: kind, 'data-plot': name, ...shape, role: 'img', 'aria-label': label },
    ...content,
  );
}

/** The width of a chart that has a row of the page for itself. */
export const fullWidth = 720;

/** The width of a chart that shares a row with another one. */
export const halfWidth = 356;
