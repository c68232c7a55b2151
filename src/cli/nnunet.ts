import type { Command } from 'commander';
import { addNnunetEnsembleCommand } from './nnunetEnsemble.js';
import { addNnunetPostprocessCommand } from './nnunetPostprocess.js';
import { addNnunetPredictCommand } from './nnunetPredict.js';

/** `voxstream nnunet`: nnU-Net's commands for inference, with its own arguments. */
export function addNnunetCommand(program: Command): void {
  const nnunet = program
    .command('nnunet')
    .summary('segment with trained folders of nnU-Net v2')
    .description(
      "Segments images with models that nnU-Net v2 trained, with the arguments of nnU-Net's own commands.",
    );
  addNnunetPredictCommand(nnunet);
  addNnunetEnsembleCommand(nnunet);
  addNnunetPostprocessCommand(nnunet);
}
