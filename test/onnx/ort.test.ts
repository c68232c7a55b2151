import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { root, temporaryFolder } from '../e2e/harness.js';
import { linux, testNeeding } from '../needs.js';

/**
 * Runs a script in a process of its own; returns the names of the files in its temporary folder afterwards.
 */
function tracesOf(script: string): string[] {
  const folder = temporaryFolder();
  const program = join(temporaryFolder(), 'program.mjs');
  writeFileSync(program, script);
  const { status, stderr } = spawnSync(process.execPath, [program], {
    // No other variables: where CI is set, the library is silent of its own accord.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: folder },
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
  return readdirSync(folder).filter((name) => name.startsWith('mat-debug'));
}

/** A file of the project, as an import names it. */
const fileIn = (path: string) => JSON.stringify(pathToFileURL(join(root, path)).href);

const graph = new Graph();
const image = graph.addInput('image', 'float32', ['n', 1, 'x', 'y', 'z']);
graph.addOutput(graph.addNode('Relu', [image]), 'float32', ['n', 1, 'x', 'y', 'z']);
const file = join(temporaryFolder(), 'relu.onnx');
writeFileSync(file, writeModel(graph));

// Where the telemetry of ONNX Runtime 1.30 runs, its library leaves a log in the temporary folder: on Linux,
// bare.
const bare = `import * as ort from ${fileIn('node_modules/onnxruntime-node/dist/index.js')}; await ort.default.InferenceSession.create(${JSON.stringify(file)});`;
testNeeding(
  linux,
  'ONNX Runtime reports nothing to its maker, in the main thread and in session threads',
  () => {
    assert.is(
      tracesOf(bare).length,
      1,
      'the library no longer leaves a trace: find another way to see its telemetry',
    );
    const ours = `import * as ort from ${fileIn('dist/onnx/ort.js')}; await ort.InferenceSession.create(${JSON.stringify(file)});`;
    assert.equal(tracesOf(ours), []);
    const thread = `
    import { createRuntime, openModel } from ${fileIn('dist/index.js')};
    const runtime = createRuntime({ device: 'cpu' });
    await openModel(runtime, ${JSON.stringify(file)});
    await runtime.close();`;
    assert.equal(tracesOf(thread), []);
  },
);

test.run();
