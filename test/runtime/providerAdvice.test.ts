import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Gpu } from '#src/runtime/gpus.js';
import { adviceFor } from '#src/runtime/providerAdvice.js';

test('advice names what is missing and the command that brings it', () => {
  const nvidia: Gpu = { name: 'NVIDIA H200', vendor: 'nvidia', file: '/dev/nvidia0', usable: true };
  const missing = (library: string) => ({ why: `${library}: cannot open shared object file: No such file` });
  assert.equal(adviceFor('cuda', missing('/x/libonnxruntime_providers_shared.so'), [nvidia]), [
    'Download the provider (several hundred MB): npm rebuild onnxruntime-node --ignore-scripts=false',
  ]);
  assert.match(
    adviceFor('cuda', missing('libcudnn.so.9'), [nvidia])[0],
    /^libcudnn\.so\.9 is missing: install CUDA 12/,
  );
  assert.match(
    adviceFor('cuda', { why: '' }, [])[0],
    /^No NVIDIA GPU was found \(there is no \/dev\/nvidia0\)/,
  );
  const locked = { ...nvidia, usable: false };
  assert.match(
    adviceFor('cuda', { why: '' }, [locked])[0],
    /^This user may not open \/dev\/nvidia0: add the user to/,
  );
  const noBinary = adviceFor('cpu', { why: "Cannot find module '../bin/x/onnxruntime_binding.node'" }, []);
  assert.match(noBinary[0], /^ONNX Runtime's npm package has no binary that loads on /);
});

test.run();
