import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { readCommandLine } from '../bundle/config/commandLine.js';
import { loadBundleConfig } from '../bundle/config/load.js';
import { translateNetwork } from '../bundle/targets/network.js';
import { Problems } from '../bundle/targets/problems.js';
import { OptionError } from '../errors.js';
import { writeAside } from '../formats/aside.js';
import { networkFromCheckpoint } from '../onnx/builders/networkFromCheckpoint.js';
import { writeModel } from '../onnx/modelFile.js';
import { bundleWords } from './bundleWords.js';
import { print, printError } from './print.js';

/**
 * Adds the commands of `python -m monai.bundle` that write programs for other runtimes, and `torchrun`. They
 * say what does the same here.
 */
export function addBundleExportCommands(bundle: Command): void {
  const add = (name: string, summary: string, description: string, run: () => Promise<void> | void) =>
    bundle
      .command(name)
      .summary(summary)
      .description(description)
      .argument('[words...]', 'the arguments of the command in Python')
      .allowUnknownOption()
      .helpOption('--help', 'show this help')
      .action(run);
  add(
    'ckpt_export',
    'write the network and its weights as ONNX',
    'Writes the network and its weights as ONNX, where MONAI writes TorchScript.',
    exportCheckpoint,
  );
  add(
    'trt_export',
    'print how a bundle runs on TensorRT',
    'Prints how a bundle runs on TensorRT without an export.',
    refuseTensorRt,
  );
  add(
    'torchrun',
    'print the --device that replaces torchrun',
    'Prints the --device that does the same as torchrun.',
    answerTorchrun,
  );
}

/** `ckpt_export NET_ID --filepath FILE.ts --ckpt_file FILE.pt --config_file …`: an ONNX file instead. */
async function exportCheckpoint(): Promise<void> {
  const { words, own } = bundleWords(process.argv, 'ckpt_export', ['filepath', 'ckpt_file', 'net_id']);
  // The first word without a name is the network's id.
  const [first] = words;
  const positional = first !== undefined && !first.startsWith('-') ? first : undefined;
  const id = own.get('net_id') ?? positional ?? 'network_def';
  const rest = positional === undefined ? words : words.slice(1);
  const given = readCommandLine(rest);
  for (const name of ['use_trace', 'input_shape', 'key_in_ckpt', 'converter_kwargs']) given.delete(name);
  const config = loadBundleConfig(given, {
    environment: process.env,
    accelerators: 0,
    warn: (message) => printError(`voxstream: ${message}\n`),
    assumeEmpty: true,
  });
  const problems = new Problems();
  const network = translateNetwork(config.resolver().resolve(id), id, problems);
  problems.throwIfAny(config.configFiles.join(', '));
  const checkpoint = own.get('ckpt_file');
  if (!network || checkpoint === undefined)
    throw new OptionError('Name the weights: --ckpt_file models/model.pt');
  if (!existsSync(checkpoint)) throw new OptionError(`There are no weights ${checkpoint}.`);
  const file = `${(own.get('filepath') ?? 'models/model.ts').replace(/\.\w+$/, '')}.onnx`;
  const { graph, notes } = await networkFromCheckpoint(network.type, network.config, checkpoint);
  for (const note of notes) printError(`voxstream: ${note}\n`);
  await writeAside(file, (temporary) => writeFile(temporary, writeModel(graph), { flush: true }));
  printError(
    `voxstream: TorchScript holds Python programs, which voxstream does not write. ${basename(file)} is the same network as ` +
      'ONNX, for ONNX Runtime and TensorRT.\n',
  );
  print(`${file}\n`);
}

function refuseTensorRt(): never {
  throw new OptionError(
    'trt_export writes a TorchScript program with a TensorRT engine inside, for PyTorch; only torch_tensorrt on a machine ' +
      'with a GPU can make one, so nothing was written. voxstream needs no export: it builds the engine itself when ' +
      'it runs on TensorRT. Run the inference with --device tensorrt:0, or write the network as ONNX with ' +
      '"voxstream bundle ckpt_export".',
  );
}

/** `torchrun --nproc_per_node=2 -m monai.bundle run …`: one process uses all devices here. */
function answerTorchrun(): never {
  const words = process.argv.slice(process.argv.indexOf('torchrun') + 1);
  const start = words.indexOf('monai.bundle');
  const launcher = start < 0 ? words : words.slice(0, start);
  const command = start < 0 ? ['run', '--config_file', 'FILE'] : words.slice(start + 1);
  const count = Number(/--nproc[-_]per[-_]node[= ](\d+)/.exec(launcher.join(' '))?.[1] ?? 1);
  const devices = Array.from({ length: Math.max(1, Math.min(count, 64)) }, (_, i) => i).join(',');
  const quoted = command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `"${word}"`)).join(' ');
  throw new OptionError(
    `torchrun starts a process for each GPU; voxstream uses all of them from one process. Run: voxstream bundle ${quoted} ` +
      `--device cuda:${devices}`,
  );
}
