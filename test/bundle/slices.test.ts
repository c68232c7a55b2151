import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCommandLine } from '#src/bundle/config/commandLine.js';
import { loadBundleConfig } from '#src/bundle/config/load.js';
import { runEvaluation } from '#src/bundle/run/evaluate.js';
import { workflowOf } from '#src/bundle/targets/workflow.js';
import { OptionError } from '#src/errors.js';
import { readVolume } from '#src/formats/index.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { readCheckpoint } from '#src/onnx/checkpoint/readCheckpoint.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { root, temporaryFolder } from '../e2e/harness.js';

process.env.XDG_CACHE_HOME = temporaryFolder();
const networks = join(root, 'test/fixtures/networks');
const target = (name: string, args: Record<string, unknown> = {}) => ({ _target_: name, ...args });
const size = [12, 8, 3] as const;

/** The voxels of a tensor of channels, x, y and z, with x fastest. */
function xFastest(values: ArrayLike<number>, channels: number): Float32Array {
  const [nx, ny, nz] = size;
  const out = new Float32Array(values.length);
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let z = 0; z < nz; z++) {
      for (let y = 0; y < ny; y++) {
        for (let x = 0; x < nx; x++) out[to++] = values[((c * nx + x) * ny + y) * nz + z];
      }
    }
  }
  return out;
}

const plansOf = (bundle: string, network: string) => {
  const config = {
    network: target(network, {
      spatial_dims: 2,
      in_channels: 1,
      out_channels: 2,
      channels: [4, 8],
      strides: [2],
    }),
    evaluator: target('SupervisedEvaluator', {
      val_data_loader: target('DataLoader', {
        dataset: target('Dataset', {
          data: [{ image: join(bundle, 'a.nii') }],
          transform: target('Compose', { transforms: [target('LoadImaged', { keys: 'image' })] }),
        }),
      }),
      network: '@network',
      inferer: target('SliceInferer', { roi_size: [12, 8], spatial_dim: 2 }),
      postprocessing: target('SaveImaged', { keys: 'pred', output_dir: bundle, separate_folder: false }),
      val_handlers: [
        target('CheckpointLoader', { load_path: join(bundle, 'model.pt'), load_dict: { model: '@network' } }),
      ],
    }),
    run: ['$@evaluator.run()'],
  };
  const file = join(bundle, 'configs/inference.json');
  writeFileSync(file, JSON.stringify(config));
  const surroundings = { environment: {}, accelerators: 0, warn: () => {} };
  return workflowOf(loadBundleConfig(readCommandLine(['--config_file', file]), surroundings)).evaluations;
};

test('a 2D network runs over the slices of a volume as PyTorch 1.13 runs it over images', async () => {
  const bundle = temporaryFolder();
  mkdirSync(join(bundle, 'configs'));
  copyFileSync(join(networks, 'unet_slices.pt'), join(bundle, 'model.pt'));
  const io = await readCheckpoint(join(networks, 'unet_slices.io.pt'));
  const [input, output] = ['input', 'output'].map((name) => io.get(name)?.data as Float32Array);
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  await writeNifti(join(bundle, 'a.nii'), makeVolume({ data: xFastest(input, 1), size, affine }));
  const runtime = createRuntime({ device: 'cpu' });
  try {
    const base = { runtime, file: 'inference.json', name: 'slices', monaiVersion: undefined, say: () => {} };
    await runEvaluation(plansOf(bundle, 'UNet')[0], base);
  } finally {
    await runtime.close();
  }
  const pred = await readVolume(join(bundle, 'a_trans.nii.gz'), { kind: 'image' });
  assert.is(pred.channels, 2);
  const expected = xFastest(output, 2);
  const differences = Array.from(expected, (value, i) => Math.abs(value - pred.data[i]));
  // Sums of float32 in another order.
  assert.ok(Math.max(...differences) < 1e-5, `${Math.max(...differences)}`);
});

test('other networks do not run over slices', () => {
  const bundle = temporaryFolder();
  mkdirSync(join(bundle, 'configs'));
  assert.throws(
    () => plansOf(bundle, 'SegResNet'),
    (error: Error) =>
      error instanceof OptionError &&
      /SliceInferer, which needs a UNet with spatial_dims 2/.test(error.message),
  );
});

test.run();
