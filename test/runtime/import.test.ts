import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { root, temporaryFolder } from '../e2e/harness.js';

const library = JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href);

test('a worker thread that imports the package still answers its own messages', async () => {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
    parentPort.on('message', async (n) => {
      await import(${library});
      parentPort.postMessage({ doubled: 2 * n });
    });`,
    { eval: true, workerData: { file: 'model.onnx' } },
  );
  const answers: unknown[] = [];
  worker.on('message', (message) => answers.push(message));
  const ended = new Promise((resolve) => worker.on('exit', resolve));
  const enough = new Promise<void>((resolve) =>
    worker.on('message', () => {
      if (answers.length === 2) resolve();
    }),
  );
  worker.postMessage(1);
  worker.postMessage(2);
  await Promise.race([enough, ended]);
  assert.equal(answers, [{ doubled: 2 }, { doubled: 4 }]);
  await worker.terminate();
});

/** The shared libraries and ES modules of ONNX Runtime that a program has loaded at its end. */
function onnxRuntimeIn(program: string): string[] {
  const report = `
    const { createRequire } = await import('node:module');
    const loaded = [
      ...process.report.getReport().sharedObjects,
      ...Object.keys(createRequire(import.meta.url).cache),
    ];
    console.log(JSON.stringify(loaded.filter((path) => /onnxruntime/.test(path))));`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `${program}\n${report}`],
    { encoding: 'utf8', cwd: root },
  );
  assert.is(status, 0, stderr);
  return JSON.parse(stdout);
}

test('ONNX Runtime is loaded neither by the import nor by reading a volume', async () => {
  const file = join(temporaryFolder(), 'ct.nii');
  await writeNifti(file, makeVolume({ data: Uint8Array.of(1, 2), size: [2, 1, 1] }));
  const read = `
    import { firstValueFrom, of } from 'rxjs';
    import { defaultRuntime, load, makeCase } from ${library};
    const subject = makeCase({ id: 'a', files: { image: ${JSON.stringify(file)} } });
    const { volumes } = await firstValueFrom(of(subject).pipe(load()));
    if (volumes.image.data[1] !== 2) throw new Error('the volume was not read');
    await defaultRuntime().close();`;
  assert.equal(onnxRuntimeIn(read), []);
  // The check itself works.
  assert.ok(onnxRuntimeIn("await import('onnxruntime-node');").length > 0);
});

test.run();
