// `npm run demo`: makes a small dataset of phantoms, segments it, and shows the Dice of each case and where the files are.
import { spawnSync } from 'node:child_process';

const cli = (...args) => {
  console.error(`\n> voxstream ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, ['dist/cli/index.js', ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};

cli('synth', 'demo/dataset', '--cases', '6', '--test', '0', '--seed', '1');
cli('run', 'pipelines/demo.yaml');
console.log(`
The phantoms are made up, and the model is a filter on HU set by hand (models/spleen_band): this shows voxstream at work, not
what a trained network reaches.

  demo/dataset                the phantoms and their labels
  demo/results/*_seg.nii.gz   the segmentations, for any NIfTI viewer
  demo/results/metrics.csv    Dice per case; summary.json has the mean, run.json how the run was made
  demo/results/report         index.html is the report; node dist/cli/index.js report demo/results --open shows it in 3D as well`);
