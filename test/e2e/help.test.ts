import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lazyCommands } from '#src/cli/commands.js';
import { helpTopics } from '#src/cli/helpTopics.js';
import { program, testNeeding } from '../needs.js';
import { temporaryFolder, voxstream } from './harness.js';

test('help lists topics, prints them within 80 columns, and prints the help of commands', async () => {
  const list = await voxstream(['help']);
  for (const name of Object.keys(helpTopics)) assert.match(list.stdout, new RegExp(`^  ${name} `, 'm'));
  for (const [name, { text }] of Object.entries(helpTopics)) {
    for (const line of text.split('\n')) assert.ok(line.length <= 80, `${name}: ${line}`);
  }
  assert.is((await voxstream(['help', 'resume'])).stdout, `${helpTopics['resume'].text}\n`);
  assert.match((await voxstream(['help', 'models', 'import'])).stdout, /^Usage: voxstream models import/);
  const unknown = await voxstream(['help', 'resum']);
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /there is no topic or command "resum"; did you mean "resume"\?/);
});

test('every command has a summary and a description, and all are written in the same way', async () => {
  const program = new Command('voxstream');
  await lazyCommands(program).loadAll();
  const check = (command: Command, path: string) => {
    const phrase = /^(?![A-Z][a-z ])[^\n]*[^.\n]$/;
    if (command !== program) {
      assert.match(command.summary(), phrase, `${path}: summary`);
      assert.ok(command.summary().length <= 60, `${path}: the summary is too long`);
      assert.match(command.description(), /^[A-Z][\s\S]*\.$/, `${path}: description`);
    }
    for (const { flags, description, hidden } of command.options)
      if (!hidden) assert.match(description, phrase, `${path} ${flags}`);
    for (const one of command.registeredArguments)
      assert.match(one.description, phrase, `${path} ${one.name()}`);
    for (const one of command.commands) check(one, `${path} ${one.name()}`);
  };
  check(program, 'voxstream');
});

test('the commands that topics show exist', async () => {
  const text = Object.values(helpTopics)
    .map((topic) => topic.text)
    .join('\n');
  const commands = new Set([...text.matchAll(/voxstream ((?!completion)[a-z]+)/g)].map(([, name]) => name));
  const { stdout } = await voxstream(['--help']);
  for (const name of commands) assert.match(stdout, new RegExp(`^  ${name} `, 'm'), name);
});

test('a wrong use names the command whose help to read', async () => {
  assert.match((await voxstream(['run'])).stderr, /run "voxstream run --help" for its arguments/);
  const inner = await voxstream(['models', 'import', 'x', '--nothing']);
  assert.match(inner.stderr, /unknown option '--nothing'[\s\S]*"voxstream models import --help"/);
});

/** What bash offers after these words. */
function completed(script: string, ...words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(' ');
  const { stdout, stderr } = spawnSync(
    'bash',
    [
      '-c',
      `${script}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _voxstream; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ],
    { encoding: 'utf8', cwd: temporaryFolder() },
  );
  assert.is(stderr, '');
  return stdout.split('\n').filter(Boolean);
}

testNeeding(program('bash', 'bash'), 'bash completes commands, their options, and files', async () => {
  const { stdout: script } = await voxstream(['completion', 'bash']);
  assert.equal(completed(script, 'voxstream', 'se'), ['segment']);
  assert.equal(completed(script, 'voxstream', 'run', 'p.yaml', '--dry'), ['--dry-run']);
  assert.equal(completed(script, 'voxstream', 'models', 'im'), ['import']);
  assert.equal(completed(script, 'voxstream', 'models', 'import', 'x.pt', '--net'), ['--network']);
  assert.equal(completed(script, 'voxstream', 'run', '--netw'), []);
  assert.equal(completed(script, 'voxstream', 'completion', 'z'), ['zsh']);
  assert.equal(completed(script, 'voxstream', 'help', 'mo'), ['models']);
  assert.equal(completed(script, 'voxstream', 'evaluate', '--undefined-as', ''), ['leftOut', 'worst']);
  assert.equal(completed(script, 'voxstream', 'run', '-o', ''), [], 'files, and here is none');
});

testNeeding(program('fish', 'fish'), 'fish completes commands, their options, and choices', async () => {
  const { stdout: script } = await voxstream(['completion', 'fish']);
  const lines = [
    'se',
    'models im',
    'run p.yaml --dry',
    'models import x.pt --net',
    'run --netw',
    'completion z',
    'help mo',
    'evaluate --undefined-as w',
  ];
  const asked = lines.map((line) => `complete -C 'voxstream ${line}'; echo ===`).join('\n');
  const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', `${script}\n${asked}`], {
    encoding: 'utf8',
    cwd: temporaryFolder(),
  });
  assert.is(stderr, '');
  const offered = stdout.split('===\n').map((one) => one.trim().split('\t')[0]);
  assert.equal(offered.slice(0, 8), [
    ...['segment', 'import', '--dry-run', '--network', '', 'zsh'],
    ...['models', 'worst'],
  ]);
});

test('scripts for zsh and fish hold every command, and quote descriptions', async () => {
  const { stdout: zsh } = await voxstream(['completion', 'zsh']);
  assert.match(zsh, /bashcompinit[\s\S]*complete -o filenames -F _voxstream voxstream/);
  const { stdout: fish } = await voxstream(['completion', 'fish']);
  assert.match(fish, /^complete -c voxstream -n '__fish_seen_subcommand_from run' -l dry-run -d 'print/m);
  for (const line of fish.trim().split('\n')) {
    assert.is((line.replaceAll("\\'", '').match(/'/g) ?? []).length % 2, 0, line);
  }
  assert.is((await voxstream(['completion', 'tcsh'])).code, 1);
});

test("a user's configuration applies where a pipeline and the command line say nothing", async () => {
  const home = temporaryFolder();
  mkdirSync(join(home, 'voxstream'));
  const config = (text: string) => writeFileSync(join(home, 'voxstream/config.yaml'), text);
  const env = { XDG_CONFIG_HOME: home };
  const pipeline = join(home, 'p.yaml');
  writeFileSync(pipeline, 'source: { glob: { image: in/* } }\nsteps: [load]\nruntime: { inFlight: 2 }\n');
  const validated = async (...more: string[]) =>
    (await voxstream(['validate', pipeline, ...more], env)).stdout;
  config('device: cpu\nmemory: 3GiB\ninFlight: 7\n');
  assert.match(await validated(), /device: cpu[\s\S]*inFlight: 2[\s\S]*memory: 3\.0 GiB/);
  assert.match(await validated('--memory', '1GiB'), /memory: 1\.0 GiB/);

  config(`cache: ${home}/mine\nregistry: ${home}/registry.json\n`);
  writeFileSync(join(home, 'registry.json'), '{}');
  const { stdout } = await voxstream(['doctor', '--json'], { ...env, PATH: '' });
  assert.is(JSON.parse(stdout).cache.folder, join(home, 'mine'));
  assert.not.match((await voxstream(['models', 'list'], env)).stdout, /spleen_ct_segmentation/);

  config('device: gpu\n');
  assert.match(
    (await voxstream(['validate', pipeline], env)).stderr,
    /config\.yaml: The device is "gpu", but/,
  );
  config('devise: cpu\n');
  const wrong = await voxstream(['validate', pipeline], env);
  assert.is(wrong.code, 1);
  assert.match(
    wrong.stderr,
    /config\.yaml: devise is not an option of configuration; did you mean "device"\?/,
  );
  assert.is((await voxstream(['help', 'config'], env)).code, 0, 'help says what a configuration may hold');
});

test.run();
