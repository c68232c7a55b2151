import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { temporaryFolder, voxstream } from '../e2e/harness.js';
import { shared, sharedPath, testNeeding } from '../needs.js';

/** A case of `shared/bundles/cases`: MONAI's command and what it wrote. */
interface BundleCase {
  readonly bundle: string;
  readonly command: readonly string[];
  readonly files: Readonly<Record<string, { readonly text?: boolean }>>;
  readonly labelling: readonly Readonly<Record<string, number>>[];
}

const cases = 'bundles/cases';

const filesBelow = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

for (const name of ['template_test', 'brats_evaluate', 'spleen_inference_options']) {
  testNeeding(shared(cases), `bundle run writes the files of MONAI: ${name}`, async () => {
    const one: BundleCase = JSON.parse(readFileSync(sharedPath(`${cases}/${name}/case.json`), 'utf8'));
    const out = temporaryFolder();
    const fill = (text: string) =>
      text.replaceAll('{shared}', sharedPath('bundles').replace(/\/$/, '')).replaceAll('{out}', out);
    const words = one.command.slice(3).map(fill);
    const env = { XDG_CACHE_HOME: temporaryFolder() };
    const { code, stderr } = await voxstream(['bundle', ...words, '--device', 'cpu'], env, fill(one.bundle));
    assert.is(code, 0, stderr);
    assert.equal(filesBelow(out), Object.keys(one.files).sort());
    const allowed = Math.max(...one.labelling.map((each) => each['margin<1e-4'] - each['ties'])) + 2;
    for (const [file, { text }] of Object.entries(one.files)) {
      const expected = sharedPath(`${cases}/${name}/expected/${file}`);
      if (text) {
        const cells = (path: string) => readFileSync(path, 'utf8').trim().split(/[,\n]/);
        const [got, wanted] = [cells(join(out, file)), cells(expected).map(fill)];
        assert.is(got.length, wanted.length, file);
        got.forEach((cell, i) => {
          const [a, b] = [Number(cell), Number(wanted[i])];
          const tolerance = file.includes('summary') ? 2e-4 : 1e-4;
          if (Number.isNaN(b)) assert.is(cell, wanted[i]);
          else
            assert.ok(
              Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)),
              `${file}: ${cell}, not ${wanted[i]}`,
            );
        });
        continue;
      }
      const [got, wanted] = await Promise.all(
        [join(out, file), expected].map((path) => readVolume(path, { kind: 'image' })),
      );
      assert.equal(got.size, wanted.size);
      assert.is(got.data.constructor, wanted.data.constructor, file);
      const differing = got.data.filter((value, i) => value !== wanted.data[i]).length;
      assert.ok(differing <= allowed, `${file}: ${differing} voxels differ, ${allowed} allowed`);
    }
  });
}

test.run();
