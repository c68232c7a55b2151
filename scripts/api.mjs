// Builds the API reference with TypeDoc, from the type declarations of the build: `npm run api` writes
// build/api. It fails if something that is exported has no doc comment. `--check` writes nothing.
//
// The first call installs TypeDoc in scripts/api (46 MB). Without a connection to the registry it says so and
// does nothing.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('./api/', import.meta.url));
const typedoc = join(folder, 'node_modules/typedoc/bin/typedoc');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

if (!existsSync(typedoc)) {
  const flags = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
  const { status } = spawnSync(npm, flags, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) {
    console.error('TypeDoc could not be installed, so the API reference is neither built nor checked.');
    process.exit(0);
  }
}
const check = process.argv.includes('--check') ? ['--emit', 'none'] : [];
try {
  execFileSync(process.execPath, [typedoc, '--options', join(folder, 'typedoc.json'), ...check], {
    cwd: folder,
    stdio: 'inherit',
  });
} catch (error) {
  process.exit(error.status ?? 1);
}
