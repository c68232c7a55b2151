// Times all metrics of a full-size pair: 512 x 512 x 300 voxels of 0.8 x 0.8 x 1.5 mm with five organs, the
// prediction shifted and roughened. One prediction is clean; the other has specks of false labels throughout
// the volume, which makes every label's box the whole volume. Build first, then run: node bench/metrics.mjs
import { cpus } from 'node:os';
import { from, lastValueFrom } from 'rxjs';
import { nameValues } from '../dist/metrics/columns.js';
import { averageSurfaceDistance } from '../dist/operators/averageSurfaceDistance.js';
import { components } from '../dist/operators/components.js';
import { confusion } from '../dist/operators/confusion.js';
import { dice } from '../dist/operators/dice.js';
import { hausdorff } from '../dist/operators/hausdorff.js';
import { iou } from '../dist/operators/iou.js';
import { surfaceDice } from '../dist/operators/surfaceDice.js';
import { volume } from '../dist/operators/volume.js';
import { defaultRuntime } from '../dist/runtime/runtime.js';
import { Random } from '../dist/volume/random.js';
import { allocate, makeVolume } from '../dist/volume/volume.js';

const size = [512, 512, 300];
const affine = [0.8, 0, 0, -200, 0, 0.8, 0, -200, 0, 0, 1.5, -900, 0, 0, 0, 1];
// Centre and radii in voxels, with the sizes of a liver, a spleen, two kidneys and an aorta.
const organs = [
  [170, 230, 170, 110, 90, 60],
  [370, 300, 190, 45, 60, 40],
  [190, 330, 130, 35, 35, 38],
  [330, 330, 135, 35, 35, 38],
  [256, 290, 150, 14, 14, 145],
];

function labels(shift, roughness, specks) {
  const data = allocate('uint8', size[0] * size[1] * size[2]);
  const random = new Random(1);
  organs.forEach(([cx, cy, cz, rx, ry, rz], organ) => {
    for (let z = Math.max(0, cz - rz - 4); z < Math.min(size[2], cz + rz + 4); z++) {
      for (let y = cy - ry - 4; y < cy + ry + 4; y++) {
        for (let x = cx - rx - 4; x < cx + rx + 4; x++) {
          const r = ((x - cx - shift) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2;
          const limit = roughness === 0 ? 1 : 1 + roughness * (random.uniform() - 0.5);
          if (r < limit) data[(z * size[1] + y) * size[0] + x] = organ + 1;
        }
      }
    }
  });
  for (let i = 0; i < specks; i++) data[random.integer(data.length)] = 1 + random.integer(organs.length);
  return makeVolume({ data, size, affine, kind: 'label' });
}

const steps = {
  'dice, iou, confusion, volume': [dice(), iou(), confusion(), volume()],
  'hausdorff (computes surfaces first)': [hausdorff()],
  'hd95, assd, nsd': [hausdorff({ percentile: 95 }), averageSurfaceDistance(), surfaceDice()],
  components: [components()],
};

console.log(
  `${size.join(' x ')} voxels, ${organs.length} labels, ${cpus()[0].model}, Node ${process.version}`,
);
const label = labels(0, 0, 0);
for (const [name, pred] of [
  ['shifted and rough', labels(3, 0.06, 0)],
  ['and with 20,000 specks', labels(3, 0.06, 20000)],
]) {
  console.log(`\nPrediction ${name}:`);
  let subject = { id: 'bench', files: {}, volumes: { pred, label }, metrics: [], timings: {} };
  const start = performance.now();
  for (const [step, operators] of Object.entries(steps)) {
    const before = performance.now();
    for (const operator of operators) subject = await lastValueFrom(from([subject]).pipe(operator));
    console.log(`  ${step.padEnd(36)} ${((performance.now() - before) / 1000).toFixed(2)} s`);
  }
  console.log(`  ${'all'.padEnd(36)} ${((performance.now() - start) / 1000).toFixed(2)} s`);
  const { dice_mean, hd_mean, hd95_mean, assd_mean, nsd_mean } = nameValues(subject.metrics);
  console.log(`  ${JSON.stringify({ dice_mean, hd_mean, hd95_mean, assd_mean, nsd_mean })}`);
}
console.log(
  `\nPeak memory ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB, of which the volumes take ` +
    `${((3 * size[0] * size[1] * size[2]) / 2 ** 30).toFixed(2)} GiB`,
);
await defaultRuntime().close();
