import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { OptionError } from '../errors.js';
import { makeFolder } from '../formats/aside.js';
import { readSavedFacts } from '../models/nnunet/plans.js';
import { readPythonJson } from '../models/nnunet/pythonJson.js';
import { loadPipelineData } from '../pipeline/load.js';
import { addIdle, type IdleFlags, reportIdle } from './nnunetIdle.js';
import { run } from './run.js';
import { addShared } from './sharedOptions.js';

interface EnsembleFlags extends IdleFlags {
  readonly i: readonly string[];
  readonly o: string;
  readonly save_npz?: boolean;
  readonly json?: boolean;
}

/** `voxstream nnunet ensemble`: `nnUNetv2_ensemble`. */
export function addNnunetEnsembleCommand(nnunet: Command): void {
  const command = nnunet
    .command('ensemble')
    .summary('average the probabilities of several models')
    .description(
      'Averages the probabilities (CASE.npz) that "nnunet predict --save_probabilities", or nnU-Net itself, saved in ' +
        'several folders, and writes CASE.nii.gz. The first folder must also hold the label maps, plans.json and ' +
        'dataset.json. The arguments are those of nnUNetv2_ensemble.',
    )
    .requiredOption('-i <folders...>', 'folders with CASE.npz, e.g. those of 2d and 3d_fullres')
    .requiredOption('-o <dir>', 'folder for the label maps')
    .option('--save_npz', 'also write the averaged probabilities');
  addShared(command, 'json');
  addIdle(command, 'np').action(async (flags: EnsembleFlags) => {
    reportIdle(flags);
    process.exitCode = await ensemble(flags);
  });
}

async function ensemble({
  i: folders,
  o: output,
  save_npz: saves = false,
  json,
}: EnsembleFlags): Promise<number> {
  if (folders.length < 2) {
    throw new OptionError(`-i must name two folders or more, but it names ${folders.length}.`);
  }
  const [first] = folders;
  const names = ['plans.json', 'dataset.json'];
  const [plans, dataset] = await Promise.all(names.map((name) => readPythonJson(join(first, name))));
  const { reader, labels } = readSavedFacts({ plans, dataset }, first);
  const pipeline = await loadPipelineData(
    {
      name: 'nnunet-ensemble',
      output,
      source: { glob: { image: join(first, '*.nii.gz') } },
      steps: [
        { load: { keys: 'image', labelKeys: 'image' } },
        { loadProbabilities: { folders: [...folders], classes: labels.outputs, reader } },
        ...(saves ? [{ copyItems: { keys: 'pred', names: 'probabilities' } }] : []),
        labels.regions ? { regionLabels: { labels: [...labels.regions] } } : { asDiscrete: { argmax: true } },
      ],
      sinks: [
        { nifti: { keys: 'pred', postfix: '' } },
        ...(saves ? [{ nnunetProbabilities: { reader } }] : []),
      ],
    },
    'nnunet ensemble',
  );
  const code = await run(pipeline, { overwrite: true, ...(json && { json: true }) });
  await makeFolder(output);
  for (const name of names) await copyFile(join(first, name), join(output, name));
  return code;
}
