import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FuzzResult } from './fuzz.js';

for (const format of ['zip', 'safetensors', 'legacy', 'torchscript']) {
  test(`2,000 mutated ${format} files are imported or refused in a sentence, without a crash, a hang or much memory`, async () => {
    const script = fileURLToPath(new URL('./fuzz.js', import.meta.url));
    // A process that hangs is ended after four minutes, and the test fails; the whole takes seconds.
    const limits = { timeout: 240_000, killSignal: 'SIGKILL' } as const;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--max-old-space-size=256', script, format, '2000'],
      limits,
    );
    const { imported, refused, others, peak }: FuzzResult = JSON.parse(stdout);
    assert.equal(others, []);
    assert.is(imported + refused, 2000);
    assert.ok(refused > 1000, `${refused} were refused`);
    assert.ok(imported > 10, `${imported} were imported, so that mutations reach the weights`);
    assert.ok(peak < 600 * 2 ** 20, `the process held ${Math.round(peak / 2 ** 20)} MiB`);
  });
}

test.run();
