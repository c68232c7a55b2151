import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findGpus } from '#src/runtime/gpus.js';
import { temporaryFolder } from '../e2e/harness.js';

test('GPUs are found by their device files, and named by what the drivers note', () => {
  const root = temporaryFolder();
  const files = {
    'dev/nvidia0': '',
    'dev/nvidiactl': '',
    'dev/dri/renderD128': '',
    'dev/dri/renderD129': '',
    'dev/dri/card0': '',
    'proc/driver/nvidia/gpus/0000:0a:00.0/information': 'Model: \t\t NVIDIA H200\nDevice Minor: \t 0\n',
    'sys/class/drm/renderD128/device/vendor': '0x10de\n',
    'sys/class/drm/renderD129/device/vendor': '0x1002\n',
    'sys/class/drm/renderD129/device/device': '0x744c\n',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  assert.equal(findGpus(root, 'linux'), [
    { name: 'NVIDIA H200', vendor: 'nvidia', file: '/dev/nvidia0', usable: true },
    { name: 'AMD GPU 0x1002:0x744c', vendor: 'amd', file: '/dev/dri/renderD129', usable: true },
  ]);
  assert.equal(findGpus(temporaryFolder(), 'linux'), []);
  assert.is(findGpus('/', 'darwin').length, 1);
});

test.run();
