import { test } from 'uvu';
import { testNeeding } from '../needs.js';
import { chaosRound } from './chaosRound.js';
import { redisServer } from './redisServer.js';

// scripts/chaos.mjs sets these, for more and other rounds.
const seed = Number(process.env['CHAOS_SEED'] ?? 1);
const inBucket = Number(process.env['CHAOS_CASES'] ?? 10);

testNeeding(
  redisServer,
  'a worker and the server are killed, a worker comes late: nothing is lost, and nothing is there twice',
  () => chaosRound(60, 'disk', seed),
);

testNeeding(redisServer, 'the same in a bucket with a bad connection, and no object is half there', () =>
  chaosRound(inBucket, 'bucket', seed),
);

test.run();
