import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { makeCase } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import { ZipArchive } from '#src/formats/zip.js';
import { writeModelFolder } from '#src/models/folder.js';
import { importNnunet, openNnunet } from '#src/models/nnunet/importNnunet.js';
import { load } from '#src/operators/load.js';
import { nnunet } from '#src/operators/nnunet.js';
import { createRuntime } from '#src/runtime/runtime.js';
import type { Volume } from '#src/volume/volume.js';
import { shared, sharedPath, testNeeding } from '../needs.js';
import { through } from '../shared.js';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

const runtime = createRuntime({ device: 'cpu' });
test.after(() => runtime.close());

const needs = shared('nnunet');
const folder = sharedPath('nnunet');

interface NpzFile {
  readonly full_shape: readonly number[];
  readonly start: readonly number[];
  readonly step: readonly number[];
  /** The size of the block that it holds. Default: up to the end of each axis. */
  readonly shape?: readonly number[];
}

interface SharedCase {
  readonly name: string;
  readonly dir: string;
  readonly model: string;
  readonly images: readonly string[];
  readonly predictor: {
    readonly folds: readonly (number | 'all')[];
    readonly tile_step_size: number;
    readonly use_gaussian: boolean;
    readonly use_mirroring: boolean;
  };
  readonly files: Readonly<Record<string, NpzFile>>;
}

const cases = needs
  ? []
  : readdirSync(join(folder, 'cases'))
      .sort()
      .map((name): SharedCase => {
        const dir = join(folder, 'cases', name);
        return { ...JSON.parse(readFileSync(join(dir, 'case.json'), 'utf8')), dir };
      });

const imported = new Map<string, Promise<string>>();

/** The model folder of a case, made once. */
function modelOf({ model }: SharedCase): Promise<string> {
  const known = imported.get(model);
  if (known) return known;
  const made = (async () => {
    const folds = readdirSync(join(folder, model)).filter((name) => name.startsWith('fold_'));
    const opened = await openNnunet(join(folder, model), { folds: folds.map((name) => name.slice(5)) });
    const out = join(temporaryFolder(), 'model');
    await writeModelFolder(out, await importNnunet(opened, opened.card));
    return out;
  })();
  imported.set(model, made);
  return made;
}

/** A float32 array of a .npz file, in C order. */
function readNpz(file: string, key: string): Float32Array {
  const bytes = Buffer.from(new ZipArchive(readFileSync(file)).read(`${key}.npy`, 2 ** 30));
  const start = 10 + bytes.readUInt16LE(8);
  assert.match(bytes.toString('latin1', 10, start), /'descr': '<f4', 'fortran_order': False/);
  return new Float32Array(new Uint8Array(bytes.subarray(start)).buffer);
}

/** The largest difference of a volume from a .npz file, which holds every other voxel of some axes. */
function difference(
  data: ArrayLike<number>,
  expected: Float32Array,
  { full_shape, start, step, shape }: NpzFile,
): number {
  assert.is(
    data.length,
    full_shape.reduce((product, n) => product * n),
  );
  const whole = full_shape.length - start.length;
  const first = (axis: number) => start[axis - whole] ?? 0;
  const stride = (axis: number) => step[axis - whole] ?? 1;
  let largest = 0;
  let at = 0;
  const [, na, nb, nc] = full_shape;
  const end = (axis: number) =>
    shape && axis >= whole ? first(axis) + shape[axis - whole] * stride(axis) : full_shape[axis];
  for (let c = first(0); c < end(0); c += stride(0)) {
    for (let a = first(1); a < end(1); a += stride(1)) {
      for (let b = first(2); b < end(2); b += stride(2)) {
        const row = ((c * na + a) * nb + b) * nc;
        for (let i = first(3); i < end(3); i += stride(3)) {
          largest = Math.max(largest, Math.abs(data[row + i] - expected[at++]));
        }
      }
    }
  }
  assert.is(at, expected.length);
  return largest;
}

testNeeding(
  needs,
  'preprocessed images are within 1e-4 and logits within 2e-3 of those of nnU-Net 2.5.1',
  async () => {
    for (const one of cases) {
      const files = one.images.map((name) => join(one.dir, name));
      const image = files.length > 1 ? { channels: files } : files[0];
      const {
        folds,
        tile_step_size: stepSize,
        use_gaussian: gaussian,
        use_mirroring: mirroring,
      } = one.predictor;
      const options = { labels: false, probabilities: 'expected_probabilities.npz' in one.files };
      const step = nnunet(
        { ...{ model: await modelOf(one), folds: [...folds], stepSize, gaussian, mirroring }, ...options },
        { id: 'nnunet', runtime },
      );
      const subject = makeCase({ id: one.name, files: { image } });
      const { volumes } = await through(
        (source) => source.pipe(load(undefined, { id: 'load', runtime }), step),
        subject,
      );
      for (const [name, key, volume, tolerance] of [
        ['expected_preprocessed.npz', 'data', volumes.image, 1e-4],
        ['expected_logits.npz', 'float32', volumes.pred, 2e-3],
        // nnU-Net's logits are of half precision.
        ['expected_probabilities.npz', 'probabilities', volumes.probabilities, 1e-3],
      ] as const) {
        if (!volume) continue;
        const found = difference(volume.data, readNpz(join(one.dir, name), key), one.files[name]);
        assert.ok(found <= tolerance, `${one.name}: ${name} differs by ${found}`);
      }
    }
  },
);

/** How many voxels of two label maps differ. */
function differences(a: Volume, b: Volume): number {
  assert.equal(a.size, b.size);
  return Array.from(a.data).filter((value, i) => value !== b.data[i]).length;
}

const named = (name: string) => cases.find((one) => one.name.startsWith(name)) as SharedCase;

testNeeding(needs, 'the step nnunet and its steps written out give the same label map', async () => {
  const one = named('s09');
  const place = temporaryFolder();
  const model = await modelOf(one);
  const set = [`model=${model}`, `input=${one.dir}`, 'source.nnunetImages.channels=2'].flatMap((text) => [
    '--set',
    text,
  ]);
  const shown = await voxstream(['validate', 'pipelines/nnunet.yaml', ...set]);
  assert.is(shown.code, 0, shown.stderr);
  const written = parse(shown.stdout);
  assert.equal(
    written.steps.map((step: object) => Object.keys(step)[0]),
    ['load', 'cropNonzero', 'normalizeByPlans', 'resampleByPlans', 'inference', 'invert', 'regionLabels'],
  );
  const file = join(place, 'written.yaml');
  writeFileSync(file, shown.stdout);
  const dry = await voxstream(['run', 'pipelines/nnunet.yaml', ...set, '--dry-run']);
  assert.match(dry.stdout, /One pass: invert and regionLabels/);
  const both = [];
  for (const [name, pipeline] of [
    ['step', 'pipelines/nnunet.yaml'],
    ['written', file],
  ]) {
    const out = join(place, name);
    const more = name === 'step' ? set : [];
    const ended = await voxstream([
      'run',
      pipeline,
      ...more,
      '--set',
      `output=${out}`,
      '--set',
      'runtime.device=cpu',
    ]);
    assert.is(ended.code, 0, ended.stderr);
    both.push(await readVolume(join(out, `${one.name}.nii.gz`), { kind: 'label' }));
  }
  const expected = await readVolume(join(one.dir, 'expected_seg_float32.nii.gz'), { kind: 'label' });
  assert.equal(both[0].data, both[1].data);
  // nnU-Net lists 26 voxels in which rounding decides.
  assert.ok(differences(both[0], expected) <= 26);
});

testNeeding(
  needs,
  "nnunet predict and postprocess take nnU-Net's arguments and end with its label maps",
  async () => {
    const one = named('s04');
    const place = temporaryFolder();
    const input = join(place, 'in');
    mkdirSync(input);
    for (const name of one.images) copyFileSync(join(one.dir, name), join(input, name));
    const env = { XDG_CACHE_HOME: join(place, 'cache') };
    const model = join(folder, one.model);
    const predict = [
      'nnunet',
      'predict',
      '-i',
      input,
      '-o',
      join(place, 'out'),
      '-m',
      model,
      '-device',
      'cpu',
      '-f',
      '2',
    ];
    const ended = await voxstream([...predict, '-step_size', '0.5', '--disable_tta', '-npp', '2'], env);
    assert.is(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /-npp has no effect/);
    const rules = join(model, 'crossval_results_folds_0_1_2');
    for (const name of ['postprocessing.pkl', 'postprocessing.json']) {
      const out = join(place, name);
      const cleaned = await voxstream([
        'nnunet',
        'postprocess',
        '-i',
        join(place, 'out'),
        '-o',
        out,
        '-pp_pkl_file',
        join(rules, name),
        '-np',
        '3',
      ]);
      assert.is(cleaned.code, 0, cleaned.stderr);
      assert.match(cleaned.stderr, /-np has no effect/);
      const found = await readVolume(join(out, `${one.name}.nii.gz`), { kind: 'label' });
      const expected = await readVolume(join(one.dir, 'expected_seg_float32_postprocessed.nii.gz'), {
        kind: 'label',
      });
      assert.is(differences(found, expected), 0);
    }
    const part = ['-num_parts', '2', '-part_id', '0'];
    const again = await voxstream([...predict, '--disable_tta', '--continue_prediction', ...part], env);
    assert.match(again.stdout, /0 case\(s\) done, 1 already finished/);
    const cascade = await voxstream([...predict, '-prev_stage_predictions', 'low'], env);
    assert.is(cascade.code, 1);
    assert.match(cascade.stderr, /-prev_stage_predictions is not supported: cascades cannot be run/);
  },
);

testNeeding(
  needs,
  'of 20 cases with 2 broken ones, 18 have results, and a resumed run does the rest',
  async () => {
    const one = named('s08');
    const place = temporaryFolder();
    const input = join(place, 'in');
    mkdirSync(input);
    const file = (i: number, channel: number) =>
      join(input, `case${String(i).padStart(2, '0')}_000${channel}.nii.gz`);
    for (let i = 0; i < 20; i++) {
      one.images.forEach((name, channel) => {
        if (i !== 7 || channel === 0) copyFileSync(join(one.dir, name), file(i, channel));
      });
    }
    const whole = readFileSync(file(3, 1));
    writeFileSync(file(3, 1), whole.subarray(0, whole.length / 2));
    const out = join(place, 'out');
    const set = [`model=${await modelOf(one)}`, `input=${input}`, `output=${out}`, 'runtime.device=cpu'];
    const args = [
      'run',
      'pipelines/nnunet.yaml',
      ...set.flatMap((text) => ['--set', text]),
      '--set',
      'nnunet.mirroring=false',
    ];
    const ended = await voxstream(args);
    assert.is(ended.code, 2, ended.stderr);
    const results = () => readdirSync(out).filter((name) => name.endsWith('.nii.gz'));
    assert.is(results().length, 18);
    const failures = readCsv(join(out, 'failures.csv'));
    assert.equal(
      failures.map((row) => row['case']),
      ['case03', 'case07'],
    );
    assert.match(
      failures[1]['message'],
      /The image of case case07 has 1 channel\(s\), but the model takes 2: T1, T2/,
    );
    writeFileSync(file(3, 1), whole);
    const resumed = await voxstream([...args, '--resume']);
    assert.match(resumed.stdout, /1 case\(s\) done, 18 already finished, 1 failed/);
    assert.is(results().length, 19);
    assert.ok(existsSync(join(out, 'case03.nii.gz')));
  },
);

testNeeding(needs, 'a missing channel is refused by name when the number of channels is known', async () => {
  const one = named('s09');
  const place = temporaryFolder();
  copyFileSync(join(one.dir, one.images[0]), join(place, 'a_0000.nii.gz'));
  const out = join(place, 'out');
  const env = { XDG_CACHE_HOME: join(place, 'cache') };
  const ended = await voxstream(
    ['nnunet', 'predict', '-i', place, '-o', out, '-m', join(folder, one.model), '-device', 'cpu'],
    env,
  );
  assert.is(ended.code, 2);
  const [row] = readCsv(join(out, 'failures.csv'));
  assert.match(
    row['message'],
    /Case a must have 2 channel\(s\), a_0000\.nii\.gz and a_0001\.nii\.gz, but there is no .*a_0001/,
  );
});

test.run();
