#!/usr/bin/env node
import { maxOpenFiles, minOpenFiles } from './openFiles.js';
import { printError } from './print.js';

// Node opens all modules that another one imports at once, so the limit is checked before they are imported.
const openFiles = maxOpenFiles();
if (openFiles < minOpenFiles) {
  printError(
    `voxstream: this process may open only ${openFiles} files, and voxstream needs ${minOpenFiles} or more. ` +
      'Raise the limit: ulimit -n 1024\n',
  );
  process.exitCode = 1;
} else {
  await import('./main.js');
}
