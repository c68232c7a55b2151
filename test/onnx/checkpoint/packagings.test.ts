import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { networkFromCheckpoint } from '#src/onnx/builders/networkFromCheckpoint.js';
import { readNpy } from '../npy.js';
import { largestDifference, runGraph } from '../runGraph.js';

/**
 * The weights of one small UNet, saved in the ways in which training programs save them (MONAI 1.3.2, PyTorch
 * 1.13).
 */
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../../../test/fixtures/packagings/${name}`, import.meta.url));
const { type, ...config } = JSON.parse(readFileSync(fixture('config.json'), 'utf8')).network;

const files: readonly (readonly [file: string, what: string, notes: readonly RegExp[]])[] = [
  ['plain.safetensors', 'safetensors', []],
  ['legacy.pt', 'the format from before PyTorch 1.6', []],
  ['bfloat16.pt', 'bfloat16', []],
  ['subclass.pt', 'a subclass of OrderedDict in an unknown module', []],
  ['training_numpy2.pt', "a training's state with NumPy 2's scalars", [/under "state_dict"/]],
  [
    'lightning.ckpt',
    "Lightning's state with a prefix, paths and arrays",
    [/"state_dict"/, /prefix "_model\."/],
  ],
  ['torchscript.pt', 'a TorchScript archive', []],
  ['module.pt', 'a module that was saved whole', []],
  ['compiled.pt', 'a module that torch.compile wrapped', [/prefix "_orig_mod\."/]],
  ['cuda.pt', 'tensors of a GPU', []],
  ['channels_last.pt', 'kernels whose last axis is not the fastest', []],
];

for (const [file, what, expected] of files) {
  test(`${what} gives the output of MONAI`, async () => {
    const { graph, notes } = await networkFromCheckpoint(type, config, fixture(file));
    assert.is(notes.length, expected.length, notes.join(' '));
    for (const [i, note] of expected.entries()) assert.match(notes[i], note);
    const output = await runGraph(graph, readNpy(fixture('input.npy')));
    const worst = largestDifference(
      output.data as Float32Array,
      readNpy(fixture('output.npy')).data as Float32Array,
    );
    assert.ok(worst < 1e-4, `the largest difference is ${worst}`);
  });
}

test('a prefix that is given is taken, and one that no tensor has is refused', async () => {
  const file = fixture('lightning.ckpt');
  const { notes } = await networkFromCheckpoint(type, config, file, { prefix: '_model.' });
  assert.match(notes.join(' '), /"_model\."/);
  const message = await networkFromCheckpoint(type, config, file, { prefix: 'net.' }).catch((error) => error);
  assert.instance(message, ModelError);
  assert.match(
    message.message,
    /No tensor of .*lightning\.ckpt has the prefix "net\." .* the first are _model\./,
  );
});

test.run();
