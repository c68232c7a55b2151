import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadPipeline, loadPipelineTexts } from '#src/pipeline/load.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { runPipeline } from '#src/pipeline/run.js';
import { connect } from '#src/queue/redis.js';
import { pipelineOf } from '#src/queue/spec.js';
import { Store } from '#src/queue/store.js';
import { submit } from '#src/queue/submit.js';
import { work } from '#src/queue/work.js';
import { temporaryFolder } from '../e2e/harness.js';
import { testNeeding } from '../needs.js';
import { cheapRun, resultsIn } from '../queue/cheapRun.js';
import { redisServer, startRedis } from '../queue/redisServer.js';
import { bucket, seeded, startS3 } from './s3Server.js';

testNeeding(
  redisServer,
  'workers of a queue read from a bucket and write into it, through a bad connection',
  async () => {
    const [server, redis] = await Promise.all([startS3(), startRedis()]);
    Object.assign(process.env, server.env, { VOXSTREAM_CACHE: temporaryFolder() });
    try {
      const { pipeline: file, predictions } = await cheapRun(12, { sinks: ', report' });
      const disk = join(temporaryFolder(), 'disk');
      await runPipeline(await loadPipeline([file], { set: [`output=${disk}`] }));
      for (const folder of ['pred', 'label']) {
        for (const name of readdirSync(join(predictions, '..', folder))) {
          await server.put(`set/${folder}/${name}`, readFileSync(join(predictions, '..', folder, name)));
        }
      }
      server.disturb = seeded(17, 8, ['drop', 'delay', 'truncate', 'unavailable']);
      const registry = createRegistry();
      const set = ['pred', 'label'].map((key) => `source.${key}=s3://${bucket}/set/${key}`);
      set.push(`output=s3://${bucket}/queued`);
      const files = [{ name: file, text: readFileSync(file, 'utf8') }];
      const pipeline = await loadPipelineTexts(files, { set, registry });
      const store = new Store(await connect(redis.url));
      await submit(store, { files, pipeline, name: 'bucket', modelFolders: [], onWarning() {}, set });
      await store.close();
      const link = await connect(redis.url, { patient: true });
      const { done, failed } = await work(link, {
        exitWhenDone: true,
        stalledAfter: 60,
        attempts: 3,
        retryDelay: 0,
        load: (spec) => pipelineOf(spec, { registry }),
        signal: new AbortController().signal,
        onEvent() {},
      });
      await link.close();
      assert.equal([done, failed], [11, 1]);
      server.disturb = () => undefined;
      const named = (text: string) => text.replaceAll(`s3://${bucket}/set/pred`, predictions);
      for (const [name, content] of Object.entries(resultsIn(disk))) {
        const there = (await server.get(`queued/${name}`)).toString('base64');
        const texts = [there, content].map((one) => named(Buffer.from(one, 'base64').toString('latin1')));
        assert.is(texts[0], texts[1], name);
      }
      const page = (await server.get('queued/report/index.html')).toString();
      assert.match(page, /ct_011/);
      assert.equal(
        (await server.keys('queued/.voxstream/'))
          .map((key) => basename(key))
          .filter((name) => name === 'open'),
        [],
      );
    } finally {
      server.close();
      await redis.kill();
    }
  },
);

test.run();
