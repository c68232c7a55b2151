import { decimalsFor, escapeHtml, niceTicks, showNumber } from './text.js';

/** A line of a curve plot. Points that are not finite leave a gap. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a curve plot shows. */
export interface CurvePlot {
  readonly title: string;
  readonly x: string;
  readonly curves: readonly Curve[];
  /** Values that the axis must hold, such as 0 and 1. */
  readonly bounds?: readonly number[];
}

const [width, height, left, right, top, bottom] = [720, 250, 62, 700, 34, 206];
/** From the palette of Okabe and Ito; readable on light and dark grounds. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const quiet = '#7a808b';
const fixed = (value: number) => String(Number(value.toFixed(1)));

/**
 * Lines over a common axis as an SVG picture that stands alone: it needs no style sheet, on a page or as a file.
 */
export function curvePlot({ title, x, curves, bounds = [] }: CurvePlot): string {
  const finite = curves.flatMap(({ points }) => points.filter((point) => point.every(Number.isFinite)));
  const xs = finite.map(([at]) => at);
  const ys = [...finite.map(([, value]) => value), ...bounds];
  const range = (values: readonly number[]): [number, number] => {
    const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    if (!(high > low))
      return Number.isFinite(low)
        ? [low - (Math.abs(low) * 0.05 || 0.5), low + (Math.abs(low) * 0.05 || 0.5)]
        : [0, 1];
    return [low, high];
  };
  const [x0, x1] = range(xs);
  const [low, high] = range(ys);
  const margin = (high - low) * 0.04;
  const [y0, y1] = [bounds.includes(low) ? low : low - margin, bounds.includes(high) ? high : high + margin];
  const px = (at: number) => left + ((at - x0) / (x1 - x0)) * (right - left);
  const py = (value: number) => bottom - ((value - y0) / (y1 - y0)) * (bottom - top);
  const text = (at: number, y: number, content: string, anchor: string, fill = quiet, weight = 'normal') =>
    `<text x="${fixed(at)}" y="${fixed(y)}" text-anchor="${anchor}" fill="${fill}" font-weight="${weight}">${escapeHtml(content)}</text>`;
  const rule = (xa: number, ya: number, xb: number, yb: number) =>
    `<line x1="${fixed(xa)}" y1="${fixed(ya)}" x2="${fixed(xb)}" y2="${fixed(yb)}" stroke="${quiet}" stroke-opacity=".3"/>`;
  const ticks = niceTicks(y0, y1, 5);
  const small = ticks.some((tick) => tick !== 0 && Math.abs(tick) < 1e-3);
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const grid = ticks.map(
    (tick) =>
      rule(left, py(tick), right, py(tick)) +
      text(left - 8, py(tick) + 4, small ? tick.toPrecision(2) : showNumber(tick, decimals), 'end'),
  );
  const below = niceTicks(x0, x1, 8)
    .filter(Number.isInteger)
    .map((tick) => text(px(tick), bottom + 18, String(tick), 'middle'));
  const lines = curves.map(({ name, points }, i) => {
    let pen = 'M';
    let path = '';
    for (const [at, value] of points) {
      if (!Number.isFinite(value)) {
        pen = 'M';
        continue;
      }
      path += `${pen}${fixed(px(at))} ${fixed(py(value))}`;
      pen = 'L';
    }
    const colour = colours[i % colours.length];
    const last = points.findLast(([, value]) => Number.isFinite(value));
    const end = last
      ? `<circle cx="${fixed(px(last[0]))}" cy="${fixed(py(last[1]))}" r="2.5" fill="${colour}"/>`
      : '';
    return `<g data-curve="${escapeHtml(name)}"><path d="${path}" fill="none" stroke="${colour}" stroke-width="1.6" stroke-linejoin="round"/>${end}</g>`;
  });
  let at = right;
  const legend =
    curves.length < 2
      ? []
      : [...curves].reverse().map(({ name }, i) => {
          const label = text(at, 18, name, 'end', colours[(curves.length - 1 - i) % colours.length], '600');
          at -= name.length * 7 + 18;
          return label;
        });
  const ends = curves.map(({ name, points }) => {
    const value = points.findLast(([, y]) => Number.isFinite(y))?.[1];
    return value === undefined ? name : `${name} ends at ${showNumber(value, decimalsFor(Math.abs(value)))}`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12.5" role="img" aria-label="${escapeHtml(`${title}: ${ends.join('; ')}`)}">` +
    text(left, 18, title, 'start', quiet, '600') +
    legend.join('') +
    grid.join('') +
    below.join('') +
    text((left + right) / 2, bottom + 36, x, 'middle') +
    `${lines.join('')}</svg>`
  );
}
