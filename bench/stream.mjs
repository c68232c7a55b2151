// Streams whole datasets: runs 1, 4 and 40 cases in a separate process each, with the spleen pipeline on the
// CPU. Prints for each run the peak resident memory, the throughput, and how busy the lanes were: the share
// of the wall time from the first case's start to the last case's end during which each lane worked.
//
//   node bench/stream.mjs [--cases 1,4,40] [--model DIR] [--size 256,256,60] [--spacing 1.5,1.5,4]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine, memoryOf, shared, table, voxstream } from './processes.mjs';

const { values: args } = parseArgs({
  options: {
    cases: { type: 'string', default: '1,4,40' },
    model: { type: 'string', default: join(shared, 'models/spleen_demo') },
    size: { type: 'string', default: '256,256,60' },
    spacing: { type: 'string', default: '1.5,1.5,4' },
  },
});
const { writeNifti } = await import('../dist/formats/writeNifti.js');
const { makePhantom } = await import('../dist/synth/phantom.js');

const triple = (text) => text.split(',').map(Number);
const folder = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true });
}

async function main() {
  console.log(machine());
  // Four different CTs, reused under other names.
  const files = [];
  for (let seed = 0; seed < 4; seed++) {
    const { image } = makePhantom({ seed, size: triple(args.size), spacing: triple(args.spacing) });
    const file = join(folder, `ct_${seed}.nii.gz`);
    await writeNifti(file, image, { dtype: 'int16' });
    files.push(file);
  }
  const settings = { model: args.model, cache: join(folder, 'cache') };
  await voxstream([{ id: 'first', file: files[0] }], { ...settings, output: join(folder, 'first') });
  const rows = [
    [
      `cases of ${args.size} voxels`,
      'peak memory (MiB)',
      'seconds',
      'cases per minute',
      'device busy',
      'cpu busy',
      'io busy',
    ],
  ];
  const peaks = new Map();
  for (const count of triple(args.cases)) {
    const images = Array.from({ length: count }, (_, n) => ({
      id: `case_${n}`,
      file: files[n % files.length],
    }));
    const atEnds = [];
    const { events, peak } = await voxstream(images, {
      ...settings,
      output: join(folder, `out-${count}`),
      onEvent: ({ event }, pid) => {
        if (event === 'caseDone') atEnds.push(memoryOf(pid, 'VmRSS'));
      },
    });
    const { seconds, lanes, done } = events.find(({ event }) => event === 'end');
    if (done !== count) throw new Error(`${done} of ${count} cases are done`);
    peaks.set(count, peak);
    const percent = (share) => `${(100 * share).toFixed(1)} %`;
    rows.push([
      count,
      peak.toFixed(0),
      seconds.toFixed(1),
      ((60 * count) / seconds).toFixed(1),
      percent(lanes.device),
      percent(lanes.cpu),
      percent(lanes.io),
    ]);
    console.log(
      `${count} case(s): memory when each ended, MiB: ${atEnds.map((one) => one.toFixed(0)).join(' ')}`,
    );
  }
  console.log(`\n${table(rows)}`);
  const [few, many] = [...peaks.keys()].slice(-2);
  if (many) {
    console.log(
      `\nPeak memory at ${many} cases is ${((100 * peaks.get(many)) / peaks.get(few)).toFixed(1)} % of that at ${few}.`,
    );
  }
}
