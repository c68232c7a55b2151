// `npm run demo`: makes a small dataset of phantoms, segments it, and shows the Dice of each case and where
// the files are.
import { spawnSync } from 'node:child_process';

const cli = (...args) => {
  console.error(`\n> voxstream ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, ['dist/cli/index.js', ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

cli('synth', 'demo/dataset', '--cases', '6', '--test', '0', '--seed', '1', '--size', '144,144,80');
cli('run', 'pipelines/demo.yaml', '--overwrite');
console.log(`
The phantoms are made up, and the model (models/spleen_phantom) was trained on other phantoms: on a real CT its result means
nothing. For real CTs:

  voxstream models pull spleen_ct_segmentation

  demo/results/report/index.html   open it in a browser: every case in pictures, with its metrics (with a view in 3D:
                                   node dist/cli/index.js report demo/results --open)
  demo/results/*_seg.nii.gz        the segmentations, for any NIfTI viewer
  demo/results/metrics.csv         Dice per case; summary.json has the mean, run.json how the run was made
  demo/dataset                     the phantoms and their labels`);
