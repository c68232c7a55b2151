import { isMainThread } from 'node:worker_threads';

// Loaded into a process before its code: the system's clock jumps by hours, back and forth, at each look.

const { now } = Date;
let looks = 0;
Date.now = () => now() + [0, 1, -1][looks++ % 3] * 5 * 3_600_000;

class JumpingDate extends Date {
  constructor(...given: [] | [number | string | Date]) {
    super(...((given.length === 0 ? [Date.now()] : given) as [number]));
  }
}
globalThis.Date = JumpingDate as DateConstructor;

if (isMainThread) process.on('exit', () => process.stderr.write(`the clock jumped ${looks} times\n`));
