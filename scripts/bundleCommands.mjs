// Runs the commands of the spleen bundle's readme and compares the files that they leave with those that
// MONAI left: names, tags and steps of TensorBoard, rows and columns of tables, types and grids of images,
// tensors of checkpoints. Give the folder with the recorded commands:
//
//   node scripts/bundleCommands.mjs ../shared/bundles
//
// Two processes of torchrun are `--device cpu:2` here. Numbers are not compared, because each training starts
// from other random weights.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseNiftiHeader } from '../dist/formats/niftiHeader.js';
import { readStateDicts } from '../dist/onnx/checkpoint/readCheckpoint.js';

const shared = resolve(process.argv[2] ?? '../shared/bundles');
const { steps } = JSON.parse(readFileSync(join(shared, 'commands/spleen.json'), 'utf8'));
const bundle = mkdtempSync(join(tmpdir(), 'bundle-commands-'));
const cli = resolve('dist/cli/index.js');
cpSync(join(shared, 'bundles/spleen_ct_segmentation'), bundle, { recursive: true });
for (const file of ['tiny_train.json', 'cpu_ddp.json'])
  cpSync(join(shared, 'commands', file), join(bundle, 'configs', file));

let faulty = 0;
try {
  // ckpt_export is not in the readme. It writes ONNX here.
  const published = steps.filter((step) => step.published !== null);
  for (const step of published) {
    const faults = await check(step);
    if (faults.length > 0) faulty++;
    console.log(`${step.name}: ${faults.length === 0 ? 'as MONAI' : ''}`);
    for (const fault of faults) console.log(`  ${fault}`);
  }
  console.log(`${published.length - faulty} of ${published.length}`);
} finally {
  rmSync(bundle, { recursive: true, force: true });
}
process.exitCode = faulty > 0 ? 1 : 0;

async function check({ run_here: words, processes, exit, files }) {
  const before = listing();
  const args = words.slice(3).map((word) => word.replace('{run}', join(shared, 'commands')));
  const device = args[0] === 'run' ? ['--device', processes === 1 ? 'cpu' : `cpu:${processes}`] : [];
  const { status, stderr } = spawnSync(process.execPath, [cli, 'bundle', ...args, ...device], {
    cwd: bundle,
    encoding: 'utf8',
  });
  if (status !== exit) return [`ended with ${status}, expected ${exit}: ${stderr}`];
  const left = [...listing()]
    .filter(([file, time]) => before.get(file) !== time)
    .map(([file]) => file)
    // Voxstream's own files are beside the checkpoint.
    .filter((file) => !file.startsWith('models/model.voxstream/'));
  const faults = [];
  for (const [name, expected] of Object.entries(files)) {
    const pattern = new RegExp(
      `^${name
        .replace(/ \(.*\)$/, '')
        .replaceAll('.', '\\.')
        .replace(/<\w+>/g, '[\\w-]+')}$`,
    );
    const found = [];
    for (const file of left.filter((one) => pattern.test(one))) {
      const fault = await difference(join(bundle, file), expected);
      if (fault === undefined) found.unshift(file);
      else found.push(fault);
    }
    if (!left.includes(found[0])) faults.push(`${name}: ${found[0] ?? 'is not there'}`);
    else left.splice(left.indexOf(found[0]), 1);
  }
  return [...faults, ...left.map((file) => `${file}: MONAI leaves no such file`)];
}

/** The files of the bundle's folder with their times. */
function listing() {
  const files = readdirSync(bundle, { recursive: true }).filter((file) =>
    statSync(join(bundle, file)).isFile(),
  );
  return new Map(files.map((file) => [file, statSync(join(bundle, file)).mtimeMs]));
}

/** How a file differs from what is expected, or undefined. */
async function difference(file, expected) {
  const compare = (what, found, wanted) =>
    JSON.stringify(found) === JSON.stringify(wanted)
      ? undefined
      : `${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`;
  if (expected.scalars) {
    const places = expected.scalars.map(([tag, step]) => [tag, step]);
    return compare('tags and steps', scalars(readFileSync(file)), places);
  }
  if (expected.text !== undefined) {
    const placed = expected.text.replaceAll('{run}', join(shared, 'commands'));
    return compare('table', frame(readFileSync(file, 'utf8')), frame(placed));
  }
  if (expected.tensors !== undefined) {
    const [{ path, tensors }] = await readStateDicts(file);
    const first = [...tensors.keys()].slice(0, 4);
    return compare('tensors', [path, tensors.size, first], ['', expected.tensors, expected.top_level_keys]);
  }
  const { size, affine, stored } = parseNiftiHeader(gunzipSync(readFileSync(file)), file);
  const apart = Math.max(...expected.affine.flat().map((value, i) => Math.abs(value - affine[i])));
  return compare('image', [size, stored, apart < 1e-4], [expected.shape, expected.dtype, true]);
}

/** A table without its numbers: the header, and the first column in any order, or the names of a list. */
function frame(text) {
  const [head, ...rows] = text.trim().split('\n');
  if (rows.length === 0) return head.split(',')[0];
  return [head, ...rows.map((row) => `${row.split(',')[0]} ${row.split(',').length}`).sort()];
}

/** Tags and steps of the scalars in a file of TensorBoard. */
function scalars(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const event = fields(bytes.subarray(at + 12, at + 12 + length));
    const step = Number(event.find(([number]) => number === 2)?.[1] ?? 0);
    for (const [, summary] of event.filter(([number]) => number === 5)) {
      for (const [, value] of fields(summary)) {
        const [, tag] = fields(value).find(([number]) => number === 1);
        found.push([tag.toString(), step]);
      }
    }
    at += length + 16;
  }
  return found;
}

/** The fields of a Protocol Buffers message. */
function fields(bytes) {
  const found = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const type = key & 7;
    if (type === 0) found.push([key >> 3, varint()]);
    else {
      const length = type === 2 ? varint() : type === 1 ? 8 : 4;
      found.push([key >> 3, bytes.subarray(at, (at += length))]);
    }
  }
  return found;
}
