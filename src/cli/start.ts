import * as nodeModule from 'node:module';
import { join } from 'node:path';
import { makeFolder } from '../formats/aside.js';
import { cacheFolder } from '../machine.js';
import { startEarly } from '../runtime/sessionThread.js';
import { version } from '../version.js';
import { maxOpenFiles, minOpenFiles } from './openFiles.js';
import { print, printError } from './print.js';
import { runsModel } from './runsModel.js';

// Node opens all modules that another one imports at once, so the limit is checked before they are imported.
const openFiles = maxOpenFiles();
if (openFiles < minOpenFiles) {
  printError(
    `voxstream: this process may open only ${openFiles} files, and voxstream needs ${minOpenFiles} or more. ` +
      'Raise the limit: ulimit -n 1024\n',
  );
  process.exitCode = 1;
} else if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2])) {
  print(`${version}\n`);
} else {
  // Node 22.8 and later keep compiled code. Where the folder cannot be made, nothing is kept: Node itself
  // never returns from making a folder in /proc.
  const { enableCompileCache } = nodeModule as { enableCompileCache?: (folder: string) => unknown };
  const code = join(cacheFolder(), 'code');
  if (enableCompileCache) {
    await makeFolder(code).then(
      () => enableCompileCache(code),
      () => {},
    );
  }
  if (runsModel(process.argv.slice(2))) startEarly();
  await import('./main.js');
}
