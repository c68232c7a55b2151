import { readFacts } from '../models/totalsegmentator/facts.js';
import { archivesOf, planOfName, pullWeights } from '../models/totalsegmentator/pullWeights.js';
import { ownWeights, pullPrefix } from '../models/totalsegmentator/weights.js';
import { note } from './clip.js';
import { downloadProgress } from './downloadProgress.js';
import { print, printError } from './print.js';
import { fieldLines, shortPath } from './terminal.js';

/** Downloads the weights of a task of TotalSegmentator, e.g. `totalsegmentator_total_fast`. */
export async function pullTotalseg(name: string): Promise<void> {
  const facts = await readFacts();
  const plan = planOfName(name, facts);
  const archives = archivesOf(plan, facts);
  const pulled = await pullWeights(archives, {
    onArchive: ({ folder, url }) => {
      printError(`${url} (license ${facts.license})\n`);
      return downloadProgress(`${folder}.zip`, undefined);
    },
  }).finally(() => note(''));
  const mode = /_(fast|fastest)$/.exec(name.slice(pullPrefix.length + plan.task.length))?.[1];
  print(
    `${fieldLines([
      ['weights', archives.map(({ folder }) => folder).join('\n')],
      ['in', shortPath(ownWeights())],
      ['license', facts.license],
      [
        'use it',
        `voxstream totalseg -i IMAGE -o OUTPUT${plan.task === 'total' ? '' : ` --task ${plan.task}`}${mode ? ` --${mode}` : ''}`,
      ],
    ]).join('\n')}\n`,
  );
  if (pulled.length === 0) printError('All of them were here already.\n');
}
