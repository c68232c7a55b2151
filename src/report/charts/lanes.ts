import { mean } from 'd3-array';
import { area, curveStepAfter } from 'd3-shape';
import type { LaneSamples } from '../lanes.js';
import { axisBelow, axisHeight, gridColumns, linearScale } from './scale.js';
import { chart, digits, element, fullWidth, line, path, text } from './svg.js';

const rowHeight = 64;
const [left, right, top] = [168, fullWidth - 132, 8];

/**
 * How busy each lane was over time. Each has a row, whose height is the share of its places that were busy.
 *
 * @param overall The shares over the whole run, as the run measured them. Default: the means of the samples.
 */
export function lanesChart(
  name: string,
  { seconds, busy }: LaneSamples,
  overall: Readonly<Record<string, number>> = {},
): string {
  const rows = Object.entries(busy);
  const bottom = top + rows.length * rowHeight;
  const end = Math.max(...rows.map(([, shares]) => shares.length)) * seconds;
  const scale = linearScale([0, end], { range: [left, right], margin: 0 });
  const body = rows.map(([lane, shares], i) => {
    const base = top + (i + 1) * rowHeight - 8;
    const average = overall[lane] ?? mean(shares) ?? 0;
    const shape = area<number>(
      (_, k) => scale.at(k * seconds),
      base,
      (share) => base - share * (rowHeight - 20),
    )
      .curve(curveStepAfter)
      .digits(digits);
    // Once more the last share: it holds until the end of its stretch.
    const steps = [...shares, ...shares.slice(-1)];
    return element(
      'g',
      { 'data-row': lane, 'data-mean': average },
      path(shape(steps), { class: 'area' }),
      line(left, base, right, base, { class: 'grid' }),
      text(left - 12, base - rowHeight / 2 + 18, 'end', lane, { class: 'name' }),
      text(right + 12, base - rowHeight / 2 + 18, 'start', `${Math.round(average * 100)} % busy`, {
        class: 'tick',
      }),
    );
  });
  const label = 'Share of busy places of each lane over time';
  const axis = gridColumns(scale, top, bottom) + axisBelow(scale, bottom, 'seconds since the start');
  return chart({ name, label, width: fullWidth, height: bottom + axisHeight }, axis, ...body);
}
