import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCommandLine } from '#src/bundle/config/commandLine.js';
import { loadBundleConfig } from '#src/bundle/config/load.js';
import { type EvaluationSettings, runEvaluation } from '#src/bundle/run/evaluate.js';
import { workflowOf } from '#src/bundle/targets/workflow.js';
import { DataError } from '#src/errors.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { root, temporaryFolder } from '../e2e/harness.js';

process.env.XDG_CACHE_HOME = temporaryFolder();
const target = (name: string, args: Record<string, unknown> = {}) => ({ _target_: name, ...args });
const fromEngine = "$monai.handlers.from_engine(['pred', 'label'])";

/** A bundle with a small network and five cases, of which the first is the largest. */
async function makeBundle(): Promise<string> {
  const bundle = temporaryFolder();
  for (const folder of ['configs', 'models', 'data']) mkdirSync(join(bundle, folder));
  copyFileSync(join(root, 'test/fixtures/networks/unet_plain.pt'), join(bundle, 'models/model.pt'));
  for (let i = 0; i < 5; i++) {
    const size = [i === 0 ? 48 : 24, 16, 16] as const;
    const data = Float32Array.from({ length: size[0] * 256 }, (_, at) => Math.sin(at * (i + 1)));
    const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const image = makeVolume({ data, size, affine });
    await writeNifti(join(bundle, `data/case_${i}.nii.gz`), image);
    const label = { ...image, data: Uint8Array.from(data, (value) => (value > 0.5 ? 1 : 0)) };
    await writeNifti(join(bundle, `data/label_${i}.nii.gz`), label);
  }
  const keys = ['image', 'label'];
  const config = {
    output: `${bundle}/out`,
    images: `$sorted(glob.glob('${bundle}/data/case*'))`,
    labels: `$sorted(glob.glob('${bundle}/data/label*'))`,
    imports: ['$import glob'],
    network: target('UNet', {
      spatial_dims: 3,
      in_channels: 1,
      out_channels: 2,
      channels: [4, 6, 8, 8],
      strides: [2, 2, [2, 1, 2]],
    }),
    evaluator: target('SupervisedEvaluator', {
      val_data_loader: target('DataLoader', {
        dataset: target('Dataset', {
          data: "$[{'image': i, 'label': l} for i, l in zip(@images, @labels)]",
          transform: target('Compose', { transforms: [target('LoadImaged', { keys })] }),
        }),
      }),
      network: '@network',
      inferer: target('SlidingWindowInferer', { roi_size: [24, 16, 16] }),
      postprocessing: target('Compose', {
        transforms: [
          target('AsDiscreted', { keys, argmax: [true, false], to_onehot: 2 }),
          target('SaveImaged', { keys: 'pred', output_dir: '@output', separate_folder: false }),
        ],
      }),
      key_val_metric: {
        dice: target('MeanDice', { include_background: false, output_transform: fromEngine }),
      },
      val_handlers: [
        target('CheckpointLoader', {
          load_path: `${bundle}/models/model.pt`,
          load_dict: { model: '@network' },
        }),
        target('MetricsSaver', {
          save_dir: '@output',
          metrics: '*',
          metric_details: '*',
          batch_transform: "$lambda x: [xx['image'].meta for xx in x]",
        }),
      ],
    }),
    run: ['$@evaluator.run()'],
  };
  writeFileSync(join(bundle, 'configs/evaluate.json'), JSON.stringify(config));
  return bundle;
}

const bundle = await makeBundle();
const out = join(bundle, 'out');
const [plan] = workflowOf(
  loadBundleConfig(readCommandLine(['--config_file', join(bundle, 'configs/evaluate.json')]), {
    environment: {},
    accelerators: 0,
    warn: () => {},
  }),
).evaluations;

async function evaluate(more: Partial<EvaluationSettings> = {}) {
  const runtime = createRuntime({ device: 'cpu' });
  const base = { runtime, file: 'evaluate.json', name: 'small', monaiVersion: undefined, say: () => {} };
  try {
    return await runEvaluation(plan, { ...base, ...more });
  } finally {
    await runtime.close();
  }
}

test('an interrupted evaluation keeps the files of finished cases, whole, and writes no metrics', async () => {
  const abort = new AbortController();
  const written: string[] = [];
  const result = await evaluate({
    inFlight: 2,
    signal: abort.signal,
    say: (message) => {
      if (!message.startsWith('wrote')) return;
      written.push(message);
      if (written.length === 2) abort.abort();
    },
  });
  assert.is(result.interrupted, true);
  // Both open cases may have written their files before either was counted.
  assert.ok(result.done < 5, `${result.done} cases`);
  assert.equal(result.metrics, []);
  const names = readdirSync(out);
  assert.ok(names.length >= 2 && names.length >= result.done && names.length < 5, names.join());
  assert.ok(
    names.every((name) => /^case_\d_trans\.nii\.gz$/.test(name)),
    names.join(),
  );
});

test('cases run at the same time, and tables list them in the order of the data', async () => {
  const result = await evaluate({ inFlight: 4 });
  assert.equal([result.done, result.interrupted], [5, false]);
  const together = readFileSync(join(out, 'dice_raw.csv'), 'utf8');
  assert.equal(
    together.split('\n').map((line) => /case_\d/.exec(line)?.[0]),
    [undefined, 'case_0', 'case_1', 'case_2', 'case_3', 'case_4', undefined],
  );
  const one = await evaluate({ inFlight: 1 });
  assert.is(readFileSync(join(out, 'dice_raw.csv'), 'utf8'), together);
  assert.equal(one.metrics, result.metrics);
});

test('a case that does not fit in the memory ends the evaluation before it is read', async () => {
  const error = await evaluate({ memory: 32 * 2 ** 20 + 1000 }).then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.instance(error, DataError);
  assert.match(error.message, /^Case 1: case_0\.nii\.gz needs about .* of memory .*--memory 1GiB/);
  assert.ok(existsSync(join(out, 'case_1_trans.nii.gz')), 'files of earlier runs stay');
});

test.run();
