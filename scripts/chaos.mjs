// Kills workers and the server of a queue again and again: runs test/queue/chaos.test.ts ten times in a row,
// or TIMES times. Stops at the first failure.
//
//   npm run -s build && node scripts/chaos.mjs [TIMES]
import { execFileSync, spawnSync } from 'node:child_process';

execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json'], {
  stdio: 'inherit',
});
const times = Number(process.argv[2] ?? 10);
for (let i = 1; i <= times; i++) {
  const start = performance.now();
  const { status, stdout } = spawnSync(process.execPath, ['build/test/queue/chaos.test.js'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const skipped = /^SKIPPED /m.test(stdout);
  if (status !== 0 || skipped) {
    console.log(stdout);
    console.log(skipped ? 'It was skipped: apt-get install redis-server' : `Round ${i} of ${times} failed.`);
    process.exit(1);
  }
  console.log(`Round ${i} of ${times}: ${((performance.now() - start) / 1000).toFixed(1)} s, nothing lost`);
}
