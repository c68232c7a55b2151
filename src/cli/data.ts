import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { OptionError, showBytes, unknownName } from '../errors.js';
import { archiveFile, pullArchive, readArchives } from '../sources/archives.js';
import { note } from './clip.js';
import { downloadProgress } from './downloadProgress.js';
import { print } from './print.js';
import { columnLines, shortPath } from './terminal.js';

const registryHelp = 'a JSON file with other archives: { NAME: { url, md5, size, content } }';

/** `voxstream data`: lists and downloads datasets. */
export function addDataCommand(program: Command): void {
  const data = program
    .command('data')
    .summary('list and download public datasets')
    .description(
      'Lists and downloads the datasets of the Medical Segmentation Decathlon. They are kept in the cache as the tar archives they come in, and read from there: the source ' +
        '"decathlon: { root: Task09_Spleen }" finds the archive by its name.',
    );
  data
    .command('list')
    .summary('list the datasets, and where those on this machine are')
    .description(
      'Lists the datasets, with the sizes of the archives where they are known, and where those on this machine are.',
    )
    .option('--registry <file>', registryHelp)
    .option('--json', 'print as JSON')
    .action(async ({ registry, json }: { registry?: string; json?: boolean }) => {
      const listed = [...(await readArchives(registry))].map(([name, archive]) => {
        const file = archiveFile(name);
        return { name, ...archive, file: existsSync(file) ? file : null };
      });
      if (json) return print(`${JSON.stringify(listed, null, 2)}\n`);
      const rows = listed.map(({ name, content, size, file }) => [
        name,
        size === undefined ? '' : showBytes(size),
        content,
        file ? shortPath(file) : '',
      ]);
      const table = columnLines([['name', 'size', 'content', 'file'], ...rows]).join('\n');
      print(`${table}\n"voxstream data pull NAME" downloads one.\n`);
    });
  data
    .command('pull')
    .summary('download a dataset')
    .description(
      'Downloads an archive into the cache and checks it. An interrupted download continues where it stopped. ' +
        'Without a connection, the command says which file to download elsewhere and where to put it.',
    )
    .argument('<name>', 'name of the dataset, as in "voxstream data list"')
    .option('--registry <file>', registryHelp)
    .action(async (name: string, { registry }: { registry?: string }) => {
      const archives = await readArchives(registry);
      const archive = archives.get(name);
      if (!archive) throw new OptionError(`pull: ${unknownName('dataset', name, [...archives.keys()])}`);
      const show = downloadProgress(basename(archiveFile(name)), undefined);
      const file = await pullArchive(name, archive, show).finally(() => note(''));
      print(`${name} is in ${file}\nuse it     source: { decathlon: { root: ${name} } }\n`);
    });
}
