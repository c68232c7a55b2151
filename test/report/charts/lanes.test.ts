import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lanesChart } from '#src/report/charts/lanes.js';

test('each lane has its mean, and a step for each stretch of time', () => {
  const svg = lanesChart('lanes', { seconds: 2, busy: { io: [0, 0.5, 1, 0.5], device: [1, 1, 1, 1] } });
  assert.equal(
    [...svg.matchAll(/data-row="(\w+)" data-mean="([\d.]+)"/g)].map(([, lane, mean]) => [lane, Number(mean)]),
    [
      ['io', 0.5],
      ['device', 1],
    ],
  );
  // 8 s from pixel 168 to 588: 105 for each 2 s. The base is at 64, and all places busy are 44 above it.
  const [io, device] = [...svg.matchAll(/<path class="area" d="M([^Z]*)Z"/g)].map(([, d]) => d);
  assert.match(io, /^168,64L273,64L273,42L378,42L378,20L483,20L483,42L588,42L588,42L588,64/);
  assert.match(device, /^168,84/);
});

test('a lane without a full stretch is drawn all the same', () => {
  assert.not.match(lanesChart('lanes', { seconds: 1, busy: { io: [] } }), /NaN|Infinity|undefined/);
});

test.run();
