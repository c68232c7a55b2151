import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCommandLine } from '#src/bundle/config/commandLine.js';
import { loadBundleConfig } from '#src/bundle/config/load.js';
import { toPlain } from '#src/bundle/config/plain.js';
import { OptionError, VoxError } from '#src/errors.js';
import { Random } from '#src/volume/random.js';
import { root, temporaryFolder } from '../e2e/harness.js';
import { mutate, mutateText } from '../fuzz/mutate.js';
import { fixtures } from './configTable.js';

/** The value of an id of a configuration in a separate bundle folder. */
function resolve(content: unknown, id = 'x', more: readonly string[] = []): unknown {
  const folder = temporaryFolder();
  const file = join(folder, 'a.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return resolveFile(file, id, more);
}

function resolveFile(file: string, id: string, more: readonly string[] = []): unknown {
  const config = loadBundleConfig(readCommandLine(['--config_file', file, ...more]), {
    environment: { SECRET: 'hidden' },
    accelerators: 0,
    warn: () => {},
  });
  return toPlain(config.resolver().resolve(id));
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.instance(error, OptionError, error instanceof Error ? error.stack : String(error));
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

const refused: Readonly<Record<string, readonly [expression: string, message: RegExp]>> = {
  'an import as a function': [
    "$__import__('os').system('echo hi')",
    /the name "__import__", which is not known/,
  ],
  eval: ["$eval('1')", /the name "eval", which is not known/],
  exec: ["$exec('1')", /the name "exec", which is not known/],
  'a dunder attribute': ['$(1).__class__', /the attribute __class__, and Python's inner names are not open/],
  'a dunder attribute of a text': ["$''.__class__.__mro__[1].__subclasses__()", /the attribute __class__/],
  'a dunder attribute of a function': ['$len.__globals__', /the attribute __globals__/],
  'getattr with a dunder': ["$getattr(len, '__globals__')", /the attribute __globals__/],
  'os.system': ["$os.system('echo hi')", /os has no attribute "system"/],
  'code of the bundle': ['$compute(1)', /calls scripts.metrics.compute, which is Python code/],
  'loading a program': [
    "$torch.jit.load('model.ts')",
    /a TorchScript program, which voxstream does not run; name the configuration with the network/,
  ],
  'a statement': ['$x = 1', /it is not a Python expression/],
  'writing a file': ["$open('/tmp/x', 'w')", /files are only read/],
  'the environment': ["$os.environ['SECRET']", /the environment variable SECRET, which is not open/],
  'too many steps': ['$[1 for a in range(2000) for b in range(2000)]', /takes more than \d+ steps/],
  'a huge power': ['$9 ** 9 ** 9', /an integer of more than 4096 bits/],
  'a huge text': ["$'a' * 10 ** 9", /a value of \d+ items/],
  'a huge range': ['$list(range(10 ** 12))', /a value of \d+ items/],
  'a huge format': ["$'%1000000000d' % 1", /a value of \d+ items/],
  'endless recursion': ['$(lambda f: f(f))(lambda f: f(f))', /nested more than \d+ levels/],
};

for (const [what, [expression, message]] of Object.entries(refused)) {
  test(`${what} is refused in a sentence with the text, the file, the place and what to override`, () => {
    const content = { imports: ['$import os', '$from scripts.metrics import compute'], x: expression };
    const sentence = refusal(() => resolve(content));
    assert.match(sentence, message);
    assert.match(sentence, /^In .*a\.json, at x, the expression "\$/);
    assert.match(sentence, /Give another value on the command line: --x VALUE$/);
  });
}

test('an expression of 10 MB is refused, and so is a configuration of that size', () => {
  const sentence = refusal(() => resolve({ x: `$${'1+'.repeat(1e6)}1` }));
  assert.match(sentence, /it has 2000001 characters, but 10000 is the limit/);
  assert.ok(sentence.length < 1000, 'the sentence does not repeat the expression');
  assert.match(
    refusal(() => resolve({ x: `$${'1+'.repeat(5e6)}1` })),
    /it has 9\.5 MiB, but 4\.0 MiB is the limit/,
  );
});

test('a thousand nested brackets are refused, in an expression, in JSON and in YAML', () => {
  const nested = `${'['.repeat(1000)}1${']'.repeat(1000)}`;
  assert.match(
    refusal(() => resolve({ x: `$${nested}` })),
    /nested more than 200 levels deep/,
  );
  assert.match(
    refusal(() => resolve({ x: `$${'{'.repeat(1000)}` })),
    /nested more than 200 levels deep/,
  );
  assert.match(
    refusal(() => resolve({ x: `$${'-'.repeat(1000)}1` })),
    /nested more than 200 levels deep/,
  );
  assert.match(
    refusal(() => resolve(`{"x": ${nested}}`)),
    /nested more than 200 levels deep/,
  );
  const yaml = join(temporaryFolder(), 'a.yaml');
  writeFileSync(yaml, `x: ${nested}`);
  assert.match(
    refusal(() => resolveFile(yaml, 'x')),
    /nested more than 200 levels deep/,
  );
});

test('a circle of references is refused with the way round', () => {
  const circle = { x: '@y', y: '$@z + 1', z: ['@x'] };
  assert.match(
    refusal(() => resolve(circle)),
    /go round in a circle: @x -> @y -> @z -> @x/,
  );
});

test('a long chain of references is refused, not followed until the stack ends', () => {
  const chain = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`a${i}`, `@a${i + 1}`]));
  assert.match(
    refusal(() => resolve({ ...chain, a5000: 1 }, 'a0')),
    /more than 250 others/,
  );
});

test('macros that copy copies are refused before they fill the memory', () => {
  const bomb = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`a${i}`, i === 0 ? [1, 1] : [`%a${i - 1}`, `%a${i - 1}`]]),
  );
  assert.match(
    refusal(() => resolve({ ...bomb, x: 1 })),
    /macros \(%\) copy more than \d+ values/,
  );
});

test('aliases of YAML that multiply are refused', () => {
  const lines = Array.from(
    { length: 30 },
    (_, i) => `a${i}: &a${i} [${i === 0 ? '1, 1' : `*a${i - 1}, *a${i - 1}`}]`,
  );
  const file = join(temporaryFolder(), 'a.yaml');
  writeFileSync(file, lines.join('\n'));
  assert.match(
    refusal(() => resolveFile(file, 'a0')),
    /more than \d+ values, aliases counted/,
  );
});

test('files are read in the bundle, in the data folder and where the command line points, nowhere else', () => {
  const folder = temporaryFolder();
  const [bundle, data, other] = ['bundle', 'data', 'other'].map((name) => join(folder, name));
  for (const one of [bundle, data, other]) {
    mkdirSync(join(one, 'configs'), { recursive: true });
    writeFileSync(join(one, 'list.json'), '{"a": 1}');
  }
  symlinkSync(join(other, 'list.json'), join(bundle, 'link.json'));
  const read = (path: string) => `$json.load(open('${path}'))`;
  const content = {
    imports: ['$import json', '$import glob', '$import os'],
    dataset_dir: data,
    inside: read(join(bundle, 'list.json')),
    data: read(join(data, 'list.json')),
    outside: read(join(other, 'list.json')),
    up: read(`${bundle}/../other/list.json`),
    link: read(join(bundle, 'link.json')),
    glob: `$glob.glob('${other}/*')`,
    exists: `$os.path.exists('${other}')`,
    missing: `$os.path.exists('${folder}/nothing')`,
    named: read(join(other, 'list.json')),
  };
  const file = join(bundle, 'configs', 'a.json');
  writeFileSync(file, JSON.stringify(content));
  assert.equal(resolveFile(file, 'inside'), { a: 1 });
  assert.equal(resolveFile(file, 'data'), { a: 1 });
  assert.is(resolveFile(file, 'missing'), false);
  for (const id of ['outside', 'up', 'link', 'glob', 'exists']) {
    assert.match(
      refusal(() => resolveFile(file, id)),
      /neither in the bundle nor in the data folder/,
    );
  }
  assert.equal(resolveFile(file, 'outside', ['--extra', other]), { a: 1 });
});

test('torch.load reads data of the bundle, and runs nothing', () => {
  const folder = temporaryFolder();
  const checkpoints = join(root, 'test/fixtures/checkpoints');
  copyFileSync(join(checkpoints, 'training.pt'), join(folder, 'code.pt'));
  const content = {
    imports: ['$import torch'],
    code: `$torch.load('${folder}/code.pt', map_location=torch.device('cuda'))`,
    keys: '$sorted(@code.keys())',
    outside: `$torch.load('${checkpoints}/training.pt')`,
  };
  const file = join(folder, 'a.json');
  writeFileSync(file, JSON.stringify(content));
  assert.equal(resolveFile(file, 'keys'), ['optimizer', 'state_dict']);
  assert.match(
    refusal(() => resolveFile(file, 'outside')),
    /neither in the bundle nor in the data folder/,
  );
  writeFileSync(join(folder, 'code.pt'), 'no checkpoint');
  assert.match(
    refusal(() => resolveFile(file, 'code')),
    /code\.pt cannot be read as a checkpoint/,
  );
});

test('2,000 damaged configurations end in values or sentences', () => {
  const seeds = Object.entries(fixtures.files)
    .filter(([file]) =>
      /zoo\/.*\.(json|yaml)$|language\/(expressions|macros|yaml_scalars|components|relative_ids)\//.test(
        file,
      ),
    )
    .map(([file, text]) => ({
      file: file.endsWith('.json') ? 'a.json' : 'a.yaml',
      bytes: Buffer.from(text),
    }));
  assert.ok(seeds.length > 8);
  const folder = temporaryFolder();
  const others = seeds.map(({ bytes }) => bytes);
  let [values, sentences] = [0, 0];
  for (let number = 0; number < 2000; number++) {
    const random = new Random(7, number);
    const { file, bytes } = seeds[random.integer(seeds.length)];
    const damage = random.integer(4) === 0 ? mutate : mutateText;
    writeFileSync(join(folder, file), damage(bytes, random, others));
    try {
      const config = loadBundleConfig(readCommandLine(['--config_file', join(folder, file)]), {
        environment: {},
        accelerators: 0,
        warn: () => {},
      });
      const resolver = config.resolver();
      for (const id of config.topIds) {
        try {
          toPlain(resolver.resolve(id));
          values++;
        } catch (error) {
          assert.instance(error, VoxError, `${number}: ${(error as Error).stack}`);
          sentences++;
        }
      }
    } catch (error) {
      assert.instance(error, VoxError, `${number}: ${(error as Error).stack}`);
      sentences++;
    }
  }
  assert.ok(values > 1000 && sentences > 100, `${values} values and ${sentences} sentences`);
});

test.run();
