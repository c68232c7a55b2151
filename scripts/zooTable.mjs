// Writes the table of docs/bundles.md: what the configurations of published bundles do here, as "voxstream
// bundle info --json" says. Give the folder that holds the bundles' folders:
//
//   node scripts/zooTable.mjs ../model-zoo/models
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const page = 'docs/bundles.md';
const [start, end] = ['<!-- table -->', '<!-- end of the table -->'];
const [folder] = process.argv.slice(2);
if (!folder) throw new Error('Give the folder with the bundles.');

const rows = readdirSync(folder)
  .filter((name) => existsSync(join(folder, name, 'configs')))
  .map((name) => {
    const path = join(folder, name);
    const info = JSON.parse(execFileSync('node', ['dist/cli/index.js', 'bundle', 'info', '--json', path]));
    const { version = '' } = JSON.parse(readFileSync(join(path, 'configs/metadata.json'), 'utf8'));
    const runs = info.filter(({ problems }) => problems.length === 0);
    const cell = (what) =>
      runs
        .filter((one) => one.what === what)
        .map(({ files }) => files.map((file) => `\`${file}\``).join(' + '))
        .join('<br>') || 'none';
    const missing = info
      .filter(({ problems }) => problems.length > 0)
      .map(({ files, problems }) => `\`${files.at(-1)}\`: ${reason(problems[0])}`);
    const network = runs.find((one) => one.network)?.network ?? '';
    const cells = ['inference', 'evaluation', 'training'].map(cell);
    return [name, version, network, ...cells, missing.join('<br>')];
  });

/** The part of a message that says what is missing. */
function reason(problem) {
  const clause = /cannot be used: (?:it )?(.*?)\. Give another value/.exec(problem)?.[1] ?? problem;
  return clause.replaceAll('|', '\\|');
}

const head = ['bundle', 'version', 'network', 'inference', 'evaluation', 'training', 'does not run'];
const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const text = readFileSync(page, 'utf8');
const [before, rest] = text.split(start);
writeFileSync(page, `${before}${start}\n\n${table}\n\n${end}${rest.split(end)[1]}`);
