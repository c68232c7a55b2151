// Times one case from its file to its segmentation: voxstream and the PyTorch reference, alternating in one
// run, each case in a separate process, on a real CT and on a synthetic full-size CT that is created first.
// Prints the result of each round, whether the label maps agree, and a table of medians. Without
// python3-torch it times voxstream alone.
//
//   npm run bench -- [--rounds 5] [--model DIR] [--reference SCRIPT] [--spacing 0.8,0.8,2.5] [--only full]
//
// The time of a case runs from opening its file to the written segmentation, as in the reference. It excludes
// starting the process and loading the model, which "whole process" includes. A run before the first round
// rewrites voxstream's model for this machine, as the very first run on a machine does; its time is printed.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine, median, runWatched, shared, table, voxstream } from './processes.mjs';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    model: { type: 'string', default: join(shared, 'models/spleen_demo') },
    reference: { type: 'string', default: join(shared, 'bench/pytorch_reference.py') },
    python: { type: 'string', default: '/usr/bin/python3' },
    image: { type: 'string', default: join(shared, 'data/mini/imagesTr/ct_1.nii.gz') },
    spacing: { type: 'string', default: '0.8,0.8,2.5' },
    only: { type: 'string', default: '' },
  },
});
const { readVolume } = await import('../dist/formats/index.js');
const { writeNifti } = await import('../dist/formats/writeNifti.js');
const { makePhantom } = await import('../dist/synth/phantom.js');

const folder = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true });
}

async function main() {
  const spacing = args.spacing.split(',').map(Number);
  const cases = [];
  if (args.only !== 'full' && existsSync(args.image)) {
    cases.push({ id: 'ct_1', title: 'ct_1, 122 x 101 x 112', file: args.image });
  }
  if (args.only !== 'ct_1') {
    const full = { id: 'full', title: `full-size CT, 512 x 512 x 100 of ${spacing.join(' x ')} mm` };
    full.file = join(folder, 'full.nii.gz');
    await writeNifti(full.file, makePhantom({ seed: 0, size: [512, 512, 100], spacing }).image, {
      dtype: 'int16',
    });
    cases.push(full);
  }
  const reference = await referenceVersion();
  console.log(`${machine()}${reference ? `, PyTorch ${reference}` : ', no PyTorch here'}`);
  const first = await runVoxstream(cases[0]);
  console.log(`voxstream's very first run, which rewrites the model: ${first.process.toFixed(2)} s`);
  const rounds = cases.map(() => []);
  for (let round = 0; round < Number(args.rounds); round++) {
    for (const [i, one] of cases.entries()) {
      // The order changes from round to round.
      const runners = reference ? [runReference, runVoxstream] : [runVoxstream];
      if (round % 2 === 1) runners.reverse();
      const result = {};
      for (const runner of runners)
        result[runner === runVoxstream ? 'voxstream' : 'reference'] = await runner(one);
      rounds[i].push(result);
      console.log(
        `${one.id}: ${Object.entries(result)
          .map(([who, run]) => `${who} ${told(run)}`)
          .join('; ')}`,
      );
    }
  }
  for (const [i, one] of cases.entries()) {
    if (reference) await compareLabels(one);
    report(one.title, rounds[i]);
  }
}

async function referenceVersion() {
  if (!existsSync(args.python) || !existsSync(args.reference)) return undefined;
  const probe = ['-c', 'import torch, nibabel; print(torch.__version__)'];
  return runWatched(args.python, probe).then(
    ({ lines }) => lines[0],
    () => undefined,
  );
}

function outputOf({ id }, who) {
  return join(folder, `${who}-${id}`);
}

/** The seconds of one case, of its parts and of the whole process, and the peak memory in MiB. */
async function runReference(one) {
  const model = join(args.model, 'model.pt');
  const { lines, seconds, peak } = await runWatched(
    args.python,
    [args.reference, '--model', model, '--out', outputOf(one, 'reference'), one.file],
    { env: { OMP_NUM_THREADS: '2' } },
  );
  const { pre_s: pre, infer_s: network, post_s: post, total_s: total } = JSON.parse(lines[0]);
  return { total, pre, network, post, process: seconds, peak };
}

async function runVoxstream(one) {
  const output = outputOf(one, 'voxstream');
  const { events, seconds, peak } = await voxstream([one], {
    model: args.model,
    output,
    cache: join(folder, 'cache'),
  });
  const done = events.find(({ event }) => event === 'caseDone');
  const stepSeconds = (step) => events.find((event) => event.event === 'step' && event.step === step).seconds;
  const network = stepSeconds('inference');
  const pre = stepSeconds('load') + stepSeconds('orient+spacing+scaleIntensityRange');
  // Everything else: labels, writing, the journal, waiting.
  return { total: done.seconds, pre, network, post: done.seconds - pre - network, process: seconds, peak };
}

function told({ total, pre, network, post, process, peak }) {
  return (
    `${total.toFixed(2)} s (${pre.toFixed(2)} + ${network.toFixed(2)} + ${post.toFixed(2)}), ` +
    `process ${process.toFixed(2)} s, ${peak.toFixed(0)} MiB`
  );
}

async function compareLabels(one) {
  const [ours, theirs] = await Promise.all(
    [
      join(outputOf(one, 'voxstream'), `${one.id}_seg.nii.gz`),
      join(outputOf(one, 'reference'), `${one.id}_reference.nii.gz`),
    ].map((file) => readVolume(file, { kind: 'label' })),
  );
  let differing = 0;
  let both = 0;
  let each = 0;
  for (let i = 0; i < ours.data.length; i++) {
    const [a, b] = [ours.data[i], theirs.data[i]];
    if (a !== b) differing++;
    if (a === 1 && b === 1) both++;
    each += (a === 1) + (b === 1);
  }
  console.log(
    `\n${one.id}: ${differing} of ${ours.data.length} voxels differ from the reference's label map ` +
      `(${theirs.data.reduce((sum, value) => sum + (value === 1), 0)} voxels of spleen), Dice ${((2 * both) / each).toFixed(6)}`,
  );
}

function report(title, rounds) {
  const parts = {
    'end to end (s)': ({ total }) => total,
    'pre-processing (s)': ({ pre }) => pre,
    'network (s)': ({ network }) => network,
    'post-processing (s)': ({ post }) => post,
    'pre and post (s)': ({ pre, post }) => pre + post,
    'whole process (s)': ({ process }) => process,
    'peak memory (MiB)': ({ peak }) => peak,
  };
  const rows = [[title, 'reference', 'voxstream', 'ratio', 'minimum of each', 'ratio']];
  for (const [name, of] of Object.entries(parts)) {
    const digits = name.endsWith('(s)') ? 2 : 0;
    const show = (value) => (value === undefined ? '' : value.toFixed(digits));
    const lists = ['reference', 'voxstream'].map((who) =>
      rounds.flatMap((round) => (round[who] ? [of(round[who])] : [])),
    );
    const [theirs, ours] = lists.map(median);
    const [least, ourLeast] = lists.map((list) => Math.min(...list));
    const known = theirs !== undefined;
    rows.push([
      name,
      show(theirs),
      show(ours),
      known ? (theirs / ours).toFixed(2) : '',
      known ? `${show(least)} / ${show(ourLeast)}` : show(ourLeast),
      known ? (least / ourLeast).toFixed(2) : '',
    ]);
  }
  console.log(`\n${table(rows)}`);
}
