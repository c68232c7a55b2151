import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { OptionError } from '#src/errors.js';
import { readVolume } from '#src/formats/index.js';
import { checkOptions, standalone } from '#src/operators/define.js';
import { operatorDefinitions } from '#src/operators/index.js';
import { keepLargestComponent } from '#src/operators/keepLargestComponent.js';
import { mapLabels } from '#src/operators/mapLabels.js';
import { makeVolume } from '#src/volume/volume.js';
import { shared } from '../e2e/harness.js';

const golden = join(shared, 'golden/post');

for (const name of existsSync(golden) ? readdirSync(golden) : []) {
  test(`${name} gives MONAI 1.3.2's labels`, async () => {
    const folder = join(golden, name);
    const { steps, volumes, expect } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'));
    const read = (file: string) => readVolume(join(folder, file), { kind: 'label' });
    const subject = makeCase({ id: name, volumes: { label: await read(volumes.label) } });
    const [[operator, options]] = Object.entries(steps[1]);
    const definition = operatorDefinitions.find((candidate) => candidate.name === operator)!;
    const { options: parsed } = checkOptions(definition, options);
    const step = definition.create(parsed as never, standalone(operator));
    const result = await lastValueFrom(of(subject).pipe(step));
    const expected = await read(expect.label);
    assert.equal(result.volumes.label.size, expected.size);
    assert.equal(result.volumes.label.affine, expected.affine);
    assert.is(
      result.volumes.label.data.findIndex((value, i) => value !== expected.data[i]),
      -1,
    );
  });
}

test('post-processing works on pred by default and takes one label for a list', async () => {
  const data = Uint8Array.of(1, 0, 1, 1, 2, 0, 2, 2);
  const subject = makeCase({
    id: 'a',
    volumes: { pred: makeVolume({ data, size: [8, 1, 1], kind: 'label' }) },
  });
  const result = await lastValueFrom(of(subject).pipe(keepLargestComponent({ appliedLabels: 1 })));
  assert.equal([...result.volumes.pred.data], [0, 0, 1, 1, 2, 0, 2, 2]);
  assert.equal(Object.keys(result.timings), ['keepLargestComponent']);
});

test('post-processing refuses options out of range when it is built', () => {
  assert.throws(
    () => keepLargestComponent({ connectivity: 4 as never }),
    (error: Error) =>
      error instanceof OptionError && /connectivity must be 1, or 2, or 3, but it is 4/.test(error.message),
  );
  assert.throws(
    () => mapLabels({ map: { spleen: 1 } as never }),
    (error: Error) => error instanceof OptionError && /map.spleen/.test(error.message),
  );
});

test.run();
