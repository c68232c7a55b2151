import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { messageOf, show } from '../errors.js';
import { findModel, type ModelFiles } from '../models/findModel.js';
import { modelForm } from '../models/form.js';
import { countOperations, parameterCount } from '../onnx/cost.js';
import { readModel } from '../onnx/modelFile.js';
import type { Vec3 } from '../volume/volume.js';
import { voxelSize } from './args.js';
import { note } from './clip.js';
import { cardLines } from './modelCard.js';
import { print } from './print.js';
import { fieldLines, showDifference } from './terminal.js';

interface InfoFlags {
  readonly patch?: Vec3;
  readonly json?: boolean;
}

/** A model's card, inputs and outputs, cost, and forms per device. */
interface ModelInfo {
  readonly file: string;
  readonly sha256: string;
  readonly card: ModelFiles['card'];
  readonly inputs: readonly { name: string; type: string; dims: readonly (number | string)[] }[];
  readonly outputs: ModelInfo['inputs'];
  readonly parameters: number;
  /** The window size for `operations` and `forms`. All three are missing if it is unknown. */
  readonly patch?: Vec3;
  readonly operations?: number;
  readonly forms?: readonly FormInfo[];
}

type FormInfo = { readonly target: string } & (
  | { readonly passes: readonly string[]; readonly maxDifference: number }
  | { readonly fault: string }
);

/** `voxstream models info`: a model's card, inputs and outputs, cost, and forms per device. */
export function addModelsInfoCommand(models: Command): void {
  models
    .command('info')
    .summary('print the card, cost and forms of a model')
    .description(
      "Prints a model's card, its inputs and outputs, its number of parameters, and its arithmetic per " +
        'window. For each device, prints the passes that rewrite the model and the largest difference from ' +
        'the original output. Forms that are not in the cache are made, which takes a few seconds.',
    )
    .argument('<model>', 'model folder, .onnx file, or the name of a model')
    .option('--patch <x,y,z>', "window size in voxels (default: the patch on the model's card)", voxelSize)
    .option('--json', 'print as JSON')
    .action(async (name: string, flags: InfoFlags) => {
      const files = await findModel(name, [resolve('models')]);
      const info = await describe(files, flags.patch).finally(() => note(''));
      print(flags.json ? `${JSON.stringify(info, null, 2)}\n` : infoText(files, info));
    });
}

async function describe(
  files: ModelFiles,
  patch: Vec3 | undefined = files.card.input.patch,
): Promise<ModelInfo> {
  const { file, sha256, card } = files;
  const graph = readModel(await readFile(file), file);
  const known = {
    file,
    sha256,
    card,
    inputs: graph.inputs,
    outputs: graph.outputs,
    parameters: parameterCount(graph),
  };
  if (!patch) return known;
  note(`Running ${card.name} once …`);
  const channels = Number(card.input.channels ?? graph.inputs[0].dims[1]) || 1;
  const sizes = card.axes === 'xyz' ? patch : [...patch].reverse();
  const operations = await countOperations(graph, [1, channels, ...sizes]);
  if (card.optimized) return { ...known, patch, operations };
  const forms: FormInfo[] = [];
  for (const target of ['cpu', 'webgpu', 'cuda'] as const) {
    note(`Rewriting it for ${target} …`);
    try {
      const { passes, maxDifference } = await modelForm(files, patch, true, target);
      forms.push({ target, passes, maxDifference });
    } catch (error) {
      forms.push({ target, fault: messageOf(error) });
    }
  }
  return { ...known, patch, operations, forms };
}

/** Dimensions whose size is open, by the card's order of axes. The file may name them in another order. */
function namedByAxes(dims: readonly (number | string)[], axes: string): readonly (number | string)[] {
  const begin = dims.length - axes.length;
  return dims.map((size, i) => (i >= begin && typeof size === 'string' ? axes[i - begin] : size));
}

function infoText(files: ModelFiles, info: ModelInfo): string {
  const { patch, operations, forms = [] } = info;
  const value = ({ name, type, dims }: ModelInfo['inputs'][number]) =>
    `${name}: ${type} ${show(namedByAxes(dims, files.card.axes)).replaceAll('"', '')}`;
  const lines = cardLines(files, [
    ['inputs', info.inputs.map(value).join('\n')],
    ['outputs', info.outputs.map(value).join('\n')],
    ['parameters', info.parameters.toLocaleString('en')],
    [
      'arithmetic',
      patch && operations !== undefined
        ? `${(operations / 1e9).toPrecision(4)} GFLOP for a window of ${patch.join(' x ')}`
        : 'unknown without a window size; give --patch 96,96,96',
    ],
  ]);
  if (forms.length > 0) {
    lines.push(
      '',
      'Forms per device, if softmax or argmax follows ("voxstream run" makes and keeps the form that it ' +
        'needs):',
    );
    lines.push(
      ...fieldLines(
        forms.map((form) => [
          form.target,
          'fault' in form
            ? `the original, because it cannot be rewritten: ${form.fault}`
            : `${form.passes.join(', ') || 'no pass changes it'}\ndiffers from the original by at most ` +
              showDifference(form.maxDifference),
        ]),
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}
