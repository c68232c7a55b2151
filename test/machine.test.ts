import { mkdirSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { groupLimits, memoryLimit, processors } from '#src/machine.js';
import { temporaryFolder } from './e2e/harness.js';

/** A folder with these files, which stands for the root of a machine. */
function machine(files: Readonly<Record<string, string>>): string {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test('a machine without control groups sets no limit', () => {
  assert.equal(groupLimits(machine({})), { memory: Infinity, processors: Infinity });
});

test('of nested control groups of version 2 the tightest limit holds', () => {
  const root = machine({
    'proc/self/cgroup': '0::/slurm/job:7/step\n',
    'sys/fs/cgroup/slurm/memory.max': '8589934592\n',
    'sys/fs/cgroup/slurm/job:7/memory.max': '4294967296\n',
    'sys/fs/cgroup/slurm/job:7/step/memory.max': 'max\n',
    'sys/fs/cgroup/slurm/cpu.max': '800000 100000\n',
    'sys/fs/cgroup/slurm/job:7/cpu.max': '250000 100000\n',
    'sys/fs/cgroup/slurm/job:7/step/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/other/memory.max': '1024\n',
  });
  assert.equal(groupLimits(root), { memory: 4 * 2 ** 30, processors: 2.5 });
});

test('a container whose own group is the root of what it sees has its limits there', () => {
  const root = machine({
    'proc/self/cgroup': '0::/docker/0123\n',
    'sys/fs/cgroup/memory.max': '1073741824\n',
    'sys/fs/cgroup/cpu.max': '50000 100000\n',
  });
  assert.equal(groupLimits(root), { memory: 2 ** 30, processors: 0.5 });
});

test('control groups of version 1 have a tree for each controller', () => {
  const root = machine({
    'proc/self/cgroup': '5:memory:/job\n3:cpu,cpuacct:/job\n0::/\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/job/memory.limit_in_bytes': '2147483648\n',
    'sys/fs/cgroup/cpu/job/cpu.cfs_quota_us': '150000\n',
    'sys/fs/cgroup/cpu/job/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
  });
  assert.equal(groupLimits(root), { memory: 2 * 2 ** 30, processors: 1.5 });
});

test('this process may use at least one processor, and no more memory than there is', () => {
  assert.ok(processors >= 1 && Number.isInteger(processors));
  assert.ok(memoryLimit() > 0 && memoryLimit() <= totalmem());
});

test.run();
