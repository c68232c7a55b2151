import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { optionalPackage } from '#src/optionalPackage.js';
import { loadPipelineTexts } from '#src/pipeline/load.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { connect, parseAddress, type RedisLink } from '#src/queue/redis.js';
import { pipelineOf } from '#src/queue/spec.js';
import { Store, withStore } from '#src/queue/store.js';
import { submit } from '#src/queue/submit.js';
import { work } from '#src/queue/work.js';
import { temporaryFolder } from '../e2e/harness.js';
import { testNeeding } from '../needs.js';
import { cheapRun } from './cheapRun.js';
import { redisServer, startRedis } from './redisServer.js';

/** The message of the OptionError that a promise is rejected with. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.unreachable('it was not refused'),
    (error) => error,
  );
  assert.is(error.name, 'OptionError', error.message);
  return error.message;
}

test('the address of a queue has a host, may have a user and a database, and never a password', () => {
  assert.equal(parseAddress('redis://host'), { host: 'host', port: 6379, db: 0, secure: false });
  assert.equal(parseAddress('rediss://me@[::1]:7000/3'), {
    host: '::1',
    port: 7000,
    db: 3,
    username: 'me',
    secure: true,
  });
  for (const wrong of ['host:6379', 'http://host', 'redis://', 'redis://host/x', 'redis://host?a=b']) {
    assert.throws(
      () => parseAddress(wrong),
      /address of the queue .*It must have the form redis:\/\//,
      wrong,
    );
  }
  const thrown = (): string => {
    try {
      parseAddress('redis://me:secret@host');
    } catch (error) {
      return String(error);
    }
    return '';
  };
  assert.match(thrown(), /\(host\) contains a password.*REDIS_PASSWORD/);
  assert.not.match(thrown(), /secret/);
});

test('a package that is not installed is told with the command that installs it', async () => {
  const load = () => import('voxstream-has-no-such-package' as string);
  assert.match(
    await refusal(optionalPackage(load, 'A queue', ['one', 'two'])),
    /^A queue needs the packages one two, .* Install: npm install one two/,
  );
});

test('a server that cannot be reached is told at once', async () => {
  assert.match(
    await refusal(connect('redis://127.0.0.1:1')),
    /127\.0\.0\.1:1\/0 cannot be used: nothing listens there/,
  );
});

testNeeding(
  redisServer,
  'the password is that of the environment, and a wrong or missing one is told',
  async () => {
    const server = await startRedis('--requirepass', 'right-secret');
    const withPassword = async (password: string | undefined, use: () => Promise<void>) => {
      if (password !== undefined) process.env['REDIS_PASSWORD'] = password;
      try {
        await use();
      } finally {
        delete process.env['REDIS_PASSWORD'];
      }
    };
    try {
      await withPassword(undefined, async () =>
        assert.match(
          await refusal(connect(server.url)),
          /asks for a password\. Put it into .*REDIS_PASSWORD/,
        ),
      );
      await withPassword('wrong-secret', async () => {
        const error = await connect(server.url).catch((error) => error);
        assert.match(error.message, /refuses the password/);
        assert.not.match(JSON.stringify([error, error.stack, error.cause ?? '']), /wrong-secret/);
      });
      await withPassword('right-secret', async () => {
        const link = await connect(server.url);
        assert.equal(await new Store(link).runs(), []);
        const processes = spawnSync('cat', [`/proc/${process.pid}/cmdline`], { encoding: 'utf8' }).stdout;
        assert.not.match(processes + link.address, /right-secret/);
        await link.close();
      });
    } finally {
      await server.kill();
    }
  },
);

testNeeding(redisServer, 'a server without memory is told, and nothing of the run stays on it', async () => {
  const server = await startRedis();
  const { pipeline: file } = await cheapRun(1);
  const output = join(temporaryFolder(), 'out');
  const files = [{ name: file, text: readFileSync(file, 'utf8') }];
  const pipeline = await loadPipelineTexts(files, { set: [`output=${output}`] });
  const submitted = (link: RedisLink) =>
    withStore(link, (store) =>
      submit(store, { files, set: [], pipeline, name: 'full', modelFolders: [], onWarning() {} }),
    );
  const setting = async (name: string, value: string) => {
    const { redis, close } = await connect(server.url);
    await redis.config('SET', name, value);
    await close();
  };
  try {
    const link = await connect(server.url);
    await setting('maxmemory', '1000');
    assert.match(await refusal(submitted(link)), /has no memory left for more cases \(maxmemory\)/);
    await setting('maxmemory', '0');
    const store = new Store(await connect(server.url));
    assert.equal(await store.runs(), []);
    assert.equal(await store.link.redis.keys('vox:*'), []);
    await store.close();
    await submitted(await connect(server.url));

    // Workers wait until there is memory.
    const warnings: string[] = [];
    await setting('maxmemory', '1000');
    const { done } = await work(await connect(server.url, { patient: true }), {
      exitWhenDone: true,
      stalledAfter: 60,
      attempts: 1,
      retryDelay: 0,
      load: (spec) => pipelineOf(spec, { registry: createRegistry(), set: ['runtime.workers=1'] }),
      signal: new AbortController().signal,
      onEvent(event) {
        if (event.event !== 'warning') return;
        warnings.push(event.message);
        // It is back after the worker has tried to take the case.
        if (warnings.length === 1) setTimeout(() => void setting('maxmemory', '0'), 3000);
      },
    });
    assert.is(done, 1);
    assert.match(warnings[0], /^The queue has no memory left \(maxmemory\)\. Waiting until it has\.$/);

    await setting('maxmemory-policy', 'allkeys-lru');
    await setting('maxmemory', '1gb');
    assert.match(await refusal(connect(server.url)), /then removes data \(maxmemory-policy allkeys-lru\)/);
  } finally {
    await server.kill();
  }
});

test.run();
