import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { OptionError, unknownName } from '../errors.js';
import { cachedModels, findModel } from '../models/findModel.js';
import { checkModelFolder, writeModelFolder } from '../models/folder.js';
import { downloadedFile, pullModel } from '../models/pullModel.js';
import { readRegistry } from '../models/registry.js';
import { readFacts } from '../models/totalsegmentator/facts.js';
import { pullNames } from '../models/totalsegmentator/pullWeights.js';
import { pullPrefix } from '../models/totalsegmentator/weights.js';
import { note } from './clip.js';
import { downloadProgress } from './downloadProgress.js';
import { cardLines } from './modelCard.js';
import { print, printError } from './print.js';
import { shortPath } from './terminal.js';
import { pullTotalseg } from './totalsegPull.js';

interface PullFlags {
  readonly registry?: string;
  readonly output?: string;
  readonly force?: boolean;
}

/** `voxstream models pull`: downloads and imports a model of the registry. */
export function addModelsPullCommand(models: Command): void {
  models
    .command('pull')
    .summary('download a model of the registry')
    .description(
      "Downloads a registry model's checkpoint into the cache, checks it, and imports it. An interrupted " +
        'download continues where it stopped. Without a connection, the command says which file to ' +
        'download elsewhere and where to put it. totalsegmentator_TASK, also with _fast or _fastest, downloads the ' +
        'weights that "voxstream totalseg" needs for a task.',
    )
    .argument('<name>', 'name of the model, as in "voxstream models list"')
    .option('--registry <file>', "a JSON file to use instead of the package's registry; see docs/models.md")
    .option('-o, --output <dir>', 'folder to write (default: a folder with its name in the cache)')
    .option('--force', 'import the model again if it exists')
    .action(async (name: string, { registry, output, force = false }: PullFlags) => {
      if (name.startsWith(pullPrefix)) return pullTotalseg(name);
      const entries = await readRegistry(registry);
      const entry = entries.get(name);
      if (!entry) {
        const known = [...entries.keys(), ...pullNames(await readFacts())];
        throw new OptionError(`In the registry ${unknownName('model', name, known)}`);
      }
      const folder = resolve(output ?? join(cachedModels(), name));
      const use: [string, string] = ['use it', `voxstream run PIPELINE --set model=${output ?? name}`];
      if (!force && existsSync(join(folder, 'model.onnx'))) {
        const lines = cardLines(await findModel(folder), [use]);
        print(`${name} already exists; --force imports it again.\n\n${lines.join('\n')}\n`);
        return;
      }
      await checkModelFolder(folder, force);
      const show = downloadProgress(basename(downloadedFile(entry)), entry.size);
      const made = await pullModel(name, entry, show).finally(() => note(''));
      const written = await writeModelFolder(folder, made, force);
      print(`${cardLines(written, [use]).join('\n')}\n`);
      printError(`The download is kept as ${shortPath(downloadedFile(entry))}.\n`);
    });
}
