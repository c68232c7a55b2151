// Writes the table of docs/bundles.md: what the configurations of published bundles do here, as "voxstream
// bundle info --json" says. Rows of bundles that are not given stay as they are. Give the folders that hold
// the bundles' folders, each with where they are from:
//
//   node scripts/zooTable.mjs "zoo of 2024-10-11=../model-zoo/models"
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const page = 'docs/bundles.md';
const [start, end] = ['<!-- table -->', '<!-- end of the table -->'];
const sources = process.argv.slice(2).map((given) => given.split('='));
if (!sources.every((parts) => parts.length === 2) || sources.length === 0) {
  throw new Error('Give SOURCE=FOLDER for each folder with bundles.');
}

const made = sources.flatMap(([source, folder]) =>
  readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'configs')))
    .map((name) => rowOf(source, name, join(folder, name))),
);
const text = readFileSync(page, 'utf8');
const [before, rest] = text.split(start);
const [old, after] = rest.split(end);
const kept = old
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(2)
  .map((line) => line.replace(/^\| | \|$/g, '').split(' | '))
  .filter(([name]) => !made.some(([other]) => other === name));
const rows = [...made, ...kept].sort(([a], [b]) => (a < b ? -1 : 1));

function rowOf(source, name, path) {
  const info = JSON.parse(execFileSync('node', ['dist/cli/index.js', 'bundle', 'info', '--json', path]));
  const { version = '' } = JSON.parse(readFileSync(join(path, 'configs/metadata.json'), 'utf8'));
  const runs = info.filter(({ problems }) => problems.length === 0);
  const command = ({ files, id }) =>
    files.map((file) => `\`${file}\``).join(' + ') + (id === 'run' ? '' : `, id \`${id}\``);
  const there = { inference: /inference|test/, evaluation: /evaluate|test/, training: /train/ };
  const cell = (what) => {
    if (!info.some(({ files }) => there[what].test(files.at(-1)))) return '–';
    const found = runs.filter((one) => one.what === what).map(command);
    return found.join('<br>') || 'none';
  };
  const missing = info
    .filter(({ problems }) => problems.length > 0)
    .map(({ files, problems }) => `\`${files.at(-1)}\`: ${reason(problems[0])}`);
  const network = runs.find((one) => one.network)?.network ?? '';
  const cells = ['inference', 'evaluation', 'training'].map(cell);
  return [name, version, source, network, ...cells, missing.join('<br>')];
}

/** The part of a message that says what is missing. */
function reason(problem) {
  const clause = /cannot be used: (?:it )?(.*?)\. Give another value/.exec(problem)?.[1] ?? problem;
  return clause.replaceAll('|', '\\|');
}

const head = [
  'bundle',
  'version',
  'source',
  'network',
  'inference',
  'evaluation',
  'training',
  'does not run',
];
const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
writeFileSync(page, `${before}${start}\n\n${table}\n\n${end}${after}`);
