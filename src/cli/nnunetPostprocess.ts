import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ModelError } from '../errors.js';
import { readPostprocessing } from '../models/nnunet/postprocessing.js';
import { readTree } from '../models/tree.js';
import { loadPipelineData } from '../pipeline/load.js';
import { addIdle, type IdleFlags, reportIdle } from './nnunetIdle.js';
import { run } from './run.js';
import { addShared } from './sharedOptions.js';

interface PostprocessFlags extends IdleFlags {
  readonly i: string;
  readonly o: string;
  readonly pp_pkl_file: string;
  readonly dataset_json?: string;
  readonly json?: boolean;
}

/** `voxstream nnunet postprocess`: `nnUNetv2_apply_postprocessing`. */
export function addNnunetPostprocessCommand(nnunet: Command): void {
  const command = nnunet
    .command('postprocess')
    .summary('apply the postprocessing that nnU-Net found to label maps')
    .description(
      'Keeps the largest components of the labels that postprocessing.pkl or postprocessing.json names, in all label maps ' +
        'of a folder. The arguments are those of nnUNetv2_apply_postprocessing. The pickle is read as data.',
    )
    .requiredOption('-i <dir>', 'folder with label maps')
    .requiredOption('-o <dir>', 'folder for the results')
    .requiredOption('--pp_pkl_file <file>', 'postprocessing.pkl or postprocessing.json')
    .option('--dataset_json <file>', 'dataset.json (default: the one beside the label maps)');
  addShared(command, 'json');
  addIdle(command, 'plans_json', 'np').action(async (flags: PostprocessFlags) => {
    reportIdle(flags);
    process.exitCode = await postprocess(flags);
  });
}

async function postprocess(flags: PostprocessFlags): Promise<number> {
  const objects = await readPostprocessing(flags.pp_pkl_file);
  const pipeline = await loadPipelineData(
    {
      name: 'nnunet-postprocess',
      output: flags.o,
      source: { glob: { image: join(flags.i, `*${await endingOf(flags)}`) } },
      steps: [
        { load: { keys: 'image', labelKeys: 'image' } },
        ...objects.map((labels, i) => ({
          id: `keepLargest${i + 1}`,
          keepLargestComponent: { keys: 'image', appliedLabels: labels, independent: false, keepTies: true },
        })),
      ],
      sinks: [{ nifti: { keys: 'image', postfix: '' } }],
    },
    'nnunet postprocess',
  );
  return run(pipeline, { overwrite: true, ...(flags.json && { json: true }) });
}

/** How the names of the label maps end, from dataset.json if there is one. */
async function endingOf({ i, dataset_json: given }: PostprocessFlags): Promise<string> {
  const file = given ?? join(i, 'dataset.json');
  if (!given && !existsSync(file)) return '.nii.gz';
  const { file_ending: ending = '.nii.gz' } = await readTree(file);
  if (typeof ending === 'string') return ending === '.nii' ? '.nii*' : ending;
  throw new ModelError(`${file}: file_ending must be a text, e.g. ".nii.gz".`);
}
