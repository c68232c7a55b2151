import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { parseBytes } from '#src/optionTypes.js';
import { loadPipeline, parsePipeline } from '#src/pipeline/load.js';
import { temporaryFolder } from '../e2e/harness.js';

const base = `
name: test
vars:
  root: data/set
  sizes: [1, 2, 3]
source:
  decathlon: { root: '\${root}', split: test }
steps:
  - load
  - orient: { axcodes: RAS }
  - id: fine
    spacing: { pixdim: '\${sizes}' }
sinks:
  - nifti: { keys: image }
`;

const faultsOf = (text: string, set: string[] = []): string => {
  try {
    parsePipeline(text, 'p.yaml', { set });
  } catch (error) {
    return (error as Error).message;
  }
  return 'no fault';
};

test('a pipeline is resolved: references keep their type, defaults are filled in', () => {
  const pipeline = parsePipeline(base, 'p.yaml');
  assert.is(pipeline.name, 'test');
  assert.is(pipeline.output, 'results/test');
  assert.equal(pipeline.source.options, { root: 'data/set', split: 'test', validation: 9 });
  assert.equal(
    pipeline.steps.map(({ id }) => id),
    ['load', 'orient', 'fine'],
  );
  assert.equal(pipeline.steps[2].options.pixdim, [1, 2, 3]);
  assert.is(pipeline.steps[2].options.paddingMode, 'border');
  assert.is(pipeline.runtime.inFlight, 'auto');
});

test('--set changes top-level keys, variables, the source, steps and sinks', () => {
  const { output, source, steps, sinks, runtime } = parsePipeline(base, 'p.yaml', {
    set: [
      'output=/tmp/out',
      'root=other',
      'source.split=train',
      'source.decathlon.validation=2',
      'fine.pixdim=[2, 2, 2]',
      'steps.fine.diagonal=true',
      'nifti.postfix=x',
      'runtime.memory=2GiB',
    ],
  });
  assert.is(output, '/tmp/out');
  assert.equal(source.options, { root: 'other', split: 'train', validation: 2 });
  assert.equal(steps[2].options.pixdim, [2, 2, 2]);
  assert.is(steps[2].options.diagonal, true);
  assert.is(sinks[0].options.postfix, 'x');
  assert.is(runtime.memory, 2 * 1024 ** 3);
});

test('--set disables a step, and replaces the source', () => {
  const { steps, source } = parsePipeline(base, 'p.yaml', {
    set: ['fine.disabled=true', 'source={glob: {image: "in/*.nii"}}'],
  });
  assert.equal(
    steps.map(({ id }) => id),
    ['load', 'orient'],
  );
  assert.is(source.definition.name, 'glob');
});

test('an override of something unknown is rejected with the nearest name', () => {
  assert.is(
    faultsOf(base, ['fin.pixdim=1']),
    '--set fin.pixdim: there is no key, variable, step or sink "fin"; did you mean "fine"?',
  );
  assert.match(faultsOf(base, ['output']), /--set takes PATH=VALUE/);
});

test('faults that YAML permits, or explains badly, are answered with what to write', () => {
  const glob = 'source:\n  glob:\n    image: ';
  const step = "source: { glob: { image: 'x' } }\nsteps:\n  - load\n  - ";
  for (const [text, message] of [
    [`${glob}*.nii.gz\n`, /^p\.yaml:3: a value that begins with \* must be in quotes: '\*\.nii\.gz'\./],
    [`${glob}{case}.nii.gz\n`, /^p\.yaml:3: .* Put the value in quotes: '\{case\}\.nii\.gz'\.$/],
    [`${glob}@x\n`, /^p\.yaml:3: .* Put the value in quotes\.$/],
    ['source:\n\tglob: x\n', /^p\.yaml:2: .* Indent with spaces\.$/],
    [
      "source { glob: { image: 'x' } }\nsteps: [load]",
      /^p\.yaml:1: .* A colon is missing: "source: \{ glob: /,
    ],
    ['source: glob: { image: x }', /^p\.yaml:1: .* Put an inner map into braces/],
    [
      `${step}orient { axcodes: RAS }`,
      /^p\.yaml:4: step 2: there is no operator "orient \{ axcodes"\. A colon is missing: "orient: \{ axcodes …"\.$/,
    ],
    [`${step}orient:{axcodes: RAS}`, /A space is missing after the colon: "orient: \{axcodes …"\.$/],
    [`${step}orient axcodes: RAS`, /Options follow a colon: "orient: \{ … \}"\.$/],
    [`${step}somethingElse`, /there is no operator "somethingElse"; "voxstream operators" lists all \d\d\.$/],
    [`${step}orient: { axcdes: RAS }`, /did you mean "axcodes"\?$/],
  ] as const) {
    assert.match(faultsOf(text).split('\n').at(-1)!, message);
  }
  const { source } = parsePipeline(base, 'p.yaml', {
    set: ['source={glob: {image: x}}', 'source.image=*.nii'],
  });
  assert.is(source.options.image, '*.nii');
});

test('all faults are reported at once, each with file, line and nearest name', () => {
  const message = faultsOf(`
source:
  decatlon: { root: x }
steps:
  - oreint: { axcodes: RAS }
  - orient: { axcodes: RAR }
  - spacing: { pixdim: [1.5, 0, 2], mod: nearest }
runtime: { inFlight: 0 }
outptu: x
`);
  const lines = message.split('\n');
  assert.is(
    lines[0],
    'p.yaml:9: there is no key "outptu"; did you mean "output"? A pipeline has the keys name, output, vars, source, ' +
      'runtime, train, publicEnv, steps and sinks.',
  );
  assert.ok(lines.includes('p.yaml:3: there is no source "decatlon"; did you mean "decathlon"?'), message);
  assert.ok(
    lines.includes('p.yaml:5: step 1: there is no operator "oreint"; did you mean "orient"?'),
    message,
  );
  assert.match(message, /p\.yaml:6: step 2 \(orient\), axcodes must hold exactly one letter of each pair/);
  assert.match(message, /p\.yaml:7: step 3 \(spacing\), pixdim\.1 must be more than 0, but it is 0/);
  assert.match(
    message,
    /p\.yaml:7: step 3 \(spacing\), mod is not an option of spacing; did you mean "mode"\?/,
  );
  assert.match(message, /p\.yaml:8: runtime, inFlight must be at least 1, but it is 0/);
});

test('a missing option is reported with its description', () => {
  const message = faultsOf('source: { decathlon: {} }\nsteps: [spacing]');
  assert.match(message, /p\.yaml:1: source decathlon, root is required \(The dataset's folder/);
  assert.match(message, /p\.yaml:2: step 1 \(spacing\), pixdim is required/);
});

test('references to missing variables, and to themselves, are rejected', () => {
  const text = (value: string) =>
    `vars: { a: '\${b}', b: '\${a}', list: [1] }\nsource: { glob: { image: '${value}' } }\nsteps: [load]`;
  assert.match(
    faultsOf(text('${lst}')),
    /refers to a variable that does not exist: there is no variable "lst"; did you mean "list"\?/,
  );
  assert.match(faultsOf(text('${a}')), /The variable "a" refers to itself: a -> b -> a/);
  assert.match(faultsOf(text('x/${list}')), /inserts \$\{list\} into a text, but that variable is a list/);
  assert.match(faultsOf(text('${env.VOXSTREAM_NOT_SET}')), /VOXSTREAM_NOT_SET, which is not set/);
});

test('environment variables are read from the given environment', () => {
  const text = "source: { glob: { image: '${env.IN}/*.nii' } }\nsteps: [load]";
  assert.is(parsePipeline(text, 'p.yaml', { env: { IN: 'here' } }).source.options.image, 'here/*.nii');
});

test('a file that is not a map, or not YAML, is rejected with its line', () => {
  assert.match(
    faultsOf('- 1'),
    /p\.yaml must contain a map with "source", "steps" and "sinks", but it is \[1\]/,
  );
  assert.match(faultsOf('a: 1\nb: [1'), /p\.yaml:2: /);
  assert.match(faultsOf('steps: 3'), /p\.yaml:1: steps must be a list, but it is 3/);
  assert.match(
    faultsOf('source: {glob: {image: x}}\nsteps:\n  - { load: {}, orient: {} }'),
    /p\.yaml:3: step 1 must be the name of an operator/,
  );
});

test('a tag that would run code in other tools is rejected', () => {
  assert.match(faultsOf('source: !!js/function "x"\nsteps: [load]'), /Unresolved tag/);
});

test('several files are merged: maps deeply, steps by id, new steps at their position', async () => {
  const folder = temporaryFolder();
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const pipeline = await loadPipeline([
    file('a.yaml', base),
    file(
      'b.json',
      JSON.stringify({
        vars: { root: 'b' },
        steps: [{ id: 'fine', spacing: { mode: 'nearest' } }, 'invert'],
      }),
    ),
  ]);
  assert.is(pipeline.source.options.root, 'b');
  assert.equal(
    pipeline.steps.map(({ id }) => id),
    ['load', 'orient', 'fine', 'invert'],
  );
  assert.equal(pipeline.steps[2].options.pixdim, [1, 2, 3]);
  assert.is(pipeline.steps[2].options.mode, 'nearest');
  const inserted = await loadPipeline([
    file('a.yaml', base),
    file(
      'd.yaml',
      `steps:
        - spatialPad: { spatialSize: 8 }
        - orient
        - cropForeground
        - { id: fine, spacing: {} }
        - centerCrop: { roiSize: 8 }`,
    ),
  ]);
  assert.equal(
    inserted.steps.map(({ id }) => id),
    ['load', 'spatialPad', 'orient', 'cropForeground', 'fine', 'centerCrop'],
  );
  await loadPipeline([
    file('a.yaml', base),
    file('c.yaml', 'steps:\n  - spacing: { pixdim: [1, 1, -1] }'),
  ]).then(
    () => assert.unreachable(),
    (error) =>
      assert.match(
        error.message,
        /c\.yaml:2: step 4 \(spacing\), pixdim\.2 must be more than 0, but it is -1/,
      ),
  );
});

test('an operator that is used twice gets a number in its id', () => {
  const { steps } = parsePipeline(
    'source: { glob: { image: x } }\nsteps: [load, { orient: { axcodes: RAS } }, { orient: { axcodes: LPS } }]',
  );
  assert.equal(
    steps.map(({ id }) => id),
    ['load', 'orient', 'orient2'],
  );
});

test('parseBytes reads sizes', () => {
  assert.is(parseBytes('4GiB'), 4 * 1024 ** 3);
  assert.is(parseBytes('1.5 m'), 1.5 * 1024 ** 2);
  assert.is(parseBytes('17'), 17);
  assert.is(parseBytes('4 apples'), undefined);
});

test('variables that double themselves are refused before they fill the memory', () => {
  const levels = Array.from({ length: 60 }, (_, i) => i + 1);
  const list = levels.map((i) => `v${i}: ['\${v${i - 1}}', '\${v${i - 1}}']`);
  const text = levels.map((i) => `v${i}: '\${v${i - 1}}\${v${i - 1}}'`);
  for (const lines of [list, text]) {
    const pipeline = (last: number) =>
      `vars: { v0: ab, ${lines.slice(0, last).join(', ')} }\nsource: { glob: { image: x } }\nsteps: [load]`;
    assert.match(faultsOf(pipeline(60)), /p\.yaml:1: The variables grow to more than 4194304 characters and/);
    assert.ok(parsePipeline(pipeline(8), 'p.yaml').vars['v8']);
  }
});

test('a variable is resolved once, however often it is referred to', () => {
  const used = Array.from({ length: 1000 }, () => "'${a}'").join(', ');
  let looked = 0;
  const env = {
    get A() {
      looked++;
      return 'x';
    },
  };
  const text = `vars: { a: '\${env.A}', b: [${used}] }\nsource: { glob: { image: '\${a}' } }\nsteps: [load]`;
  assert.is(parsePipeline(text, 'p.yaml', { env }).source.options.image, 'x');
  assert.is(looked, 1);
});

test('unknown and too many YAML aliases are refused in a sentence', () => {
  const refusal = (text: string) => {
    try {
      parsePipeline(text, 'p.yaml');
    } catch (error) {
      assert.instance(error, OptionError);
      return (error as OptionError).message;
    }
    return 'it was read';
  };
  assert.match(
    refusal('vars: { a: *b }'),
    /^p\.yaml:\d: a value that begins with \* must be in quotes: '\*b'\./,
  );
  const levels = Array.from(
    { length: 9 },
    (_, i) => `  a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`,
  );
  assert.match(
    refusal(['vars:', '  a0: &a0 [x]', ...levels].join('\n')),
    /^p\.yaml cannot be read: Excessive alias count/,
  );
});

test.run();
