// Kills workers and the server of a queue again and again, with results on the disk and in a bucket whose
// connection is bad: runs test/queue/chaos.test.ts with 60 cases ten times in a row, or TIMES times. Stops at
// the first failure.
//
//   npm run -s build && node scripts/chaos.mjs [TIMES]
import { execFileSync, spawnSync } from 'node:child_process';

execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json'], {
  stdio: 'inherit',
});
const times = Number(process.argv[2] ?? 10);
for (let seed = 1; seed <= times; seed++) {
  const start = performance.now();
  const { status, stdout } = spawnSync(process.execPath, ['build/test/queue/chaos.test.js'], {
    encoding: 'utf8',
    env: {
      ...process.env,
      CHAOS_CASES: '60',
      CHAOS_SEED: String(seed),
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const skipped = /^SKIPPED /m.test(stdout);
  if (status !== 0 || skipped) {
    console.log(stdout);
    console.log(
      skipped ? 'It was skipped: apt-get install redis-server' : `Round ${seed} of ${times} failed.`,
    );
    process.exit(1);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const [, faults] = /(\d+) transfers were disturbed/m.exec(stdout) ?? [];
  console.log(`Round ${seed} of ${times}: ${seconds} s, ${faults} transfers disturbed, nothing lost`);
}
