import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { curveChart } from '#src/report/charts/curves.js';
import { onAxis, ticks } from './drawn.js';

const curve = (name: string, values: readonly number[]) => ({
  name,
  points: values.map((value, i) => [i, value] as const),
});

test('a curve runs through its points, with a gap where one is not finite', () => {
  const svg = curveChart({
    title: 'loss',
    x: 'epoch',
    curves: [curve('a', [0, 1, Number.NaN, 0, 1])],
    limits: [0, 1],
  });
  const [, path] = /<path class="line" d="([^"]+)"/.exec(svg) as RegExpExecArray;
  // 70 to 700 pixels wide, 206 up to 34 high.
  assert.is(path, 'M70,206L227.5,34M542.5,206L700,34');
  assert.ok(onAxis(ticks(svg, 'left'), [0, 1], [206, 34]));
  assert.ok(onAxis(ticks(svg, 'below'), [0, 4], [70, 700]));
  assert.match(svg, /aria-label="loss: a ends at 1\.000"/);
  assert.match(svg, /<circle cx="700" cy="34"/);
});

test('a curve of one value, or of none, is drawn all the same', () => {
  for (const values of [[], [0.5], [Number.NaN]]) {
    assert.not.match(
      curveChart({ title: 't', x: 'x', curves: [curve('a', values)] }),
      /NaN|Infinity|undefined/,
    );
  }
});

test('several curves have a legend, whose names do not overlap', () => {
  const curves = Array.from({ length: 12 }, (_, i) => curve(`organ number ${i}`, [0, i]));
  const svg = curveChart({ title: 't', x: 'x', curves });
  const entries = [
    ...svg.matchAll(/<text class="tick" x="([\d.]+)" y="(\d+)" text-anchor="start">([^<]+)</g),
  ].map(([, x, y, name]) => ({ x: Number(x), y: Number(y), name }));
  assert.equal(
    entries.map(({ name }) => name),
    curves.map(({ name }) => name),
  );
  entries.forEach(({ x, y, name }, i) => {
    const next = entries[i + 1];
    assert.ok(x + name.length * 7 < 700, `${name} fits into the chart`);
    if (next?.y === y) assert.ok(x + name.length * 7 < next.x - 20, `${name} ends before the next one`);
  });
  const height = Number(/viewBox="0 0 720 (\d+)"/.exec(svg)![1]);
  const bottom = Math.max(...ticks(svg, 'left').map(([y]) => y));
  assert.ok(Math.max(...entries.map(({ y }) => y)) < Math.min(...ticks(svg, 'left').map(([y]) => y)));
  assert.ok(bottom < height - 40);
});

test('more than six curves differ by dashes, too', () => {
  const curves = Array.from({ length: 8 }, (_, i) => curve(`c${i}`, [0, i]));
  const svg = curveChart({ title: 't', x: 'x', curves });
  assert.match(svg, /data-curve="c1" class="curve curve-1"/);
  assert.match(svg, /data-curve="c7" class="curve curve-1 dashed"/);
});

test.run();
