// The costs of a queue: the time to submit 100,000 cases, the memory of a waiting case on the server, and the
// additional time of a case compared with a single run. Starts a Redis server on 127.0.0.1.
//
//   npm run -s build && node bench/queue.mjs [CASES]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNifti } from '#src/formats/writeNifti.js';
import { loadPipelineTexts } from '#src/pipeline/load.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { runPipeline } from '#src/pipeline/run.js';
import { connect } from '#src/queue/redis.js';
import { pipelineOf } from '#src/queue/spec.js';
import { Store } from '#src/queue/store.js';
import { submit } from '#src/queue/submit.js';
import { work } from '#src/queue/work.js';
import { makeVolume } from '#src/volume/volume.js';

const cases = Number(process.argv[2] ?? 100_000);
const root = mkdtempSync(join(tmpdir(), 'voxstream-bench-'));
const port = await freePort();
const args = ['--port', port, '--bind', '127.0.0.1', '--dir', root, '--save', '', '--appendonly', 'yes'];
const server = spawn('redis-server', args.map(String), { stdio: 'ignore' });
process.on('exit', () => {
  server.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});
const url = `redis://127.0.0.1:${port}/0`;
const store = await connected();
const [{ model }] = cpus();
console.log(`Redis ${await fact('redis_version')}, Node ${process.version}, ${cpus().length} x ${model}`);

await measureSubmission();
await measureOverhead();
await store.close();
process.exit();

/** The time and the memory of waiting cases, which are listed in a file but do not exist. */
async function measureSubmission() {
  const items = Array.from({ length: cases }, (_, i) => {
    const id = `patient_${String(i).padStart(6, '0')}`;
    return { id, image: `/data/hospital/ct/imagesTr/${id}_0000.nii.gz` };
  });
  const list = join(root, 'list.csv');
  writeFileSync(list, `id,image\n${items.map(({ id, image }) => `${id},${image}`).join('\n')}\n`);
  const text = `source: { datalist: { path: '${list}' } }\nsteps: [load]\nsinks: [{ nifti: { keys: image } }]\n`;
  const before = await used();
  const start = performance.now();
  await submitText(text, 'many');
  const seconds = (performance.now() - start) / 1000;
  const perCase = ((await used()) - before) / cases;
  // Case ids and paths as plain text.
  const named = items.reduce((sum, { id, image }) => sum + id.length + image.length, 0) / cases;
  console.log(`Submitting ${cases} cases: ${seconds.toFixed(1)} s, with listing and all checks`);
  console.log(
    `Memory of a waiting case on the server: ${perCase.toFixed(0)} bytes, its id and path included ` +
      `(${named.toFixed(0)} bytes as text)`,
  );
}

/** The time per case of a single run and of a worker, one case at a time. */
async function measureOverhead() {
  const count = 300;
  const images = join(root, 'images');
  for (let i = 0; i < count; i++) {
    const data = Int16Array.from({ length: 120 }, (_, k) => (k * 7 + i) % 100);
    await writeNifti(
      join(images, `ct_${String(i).padStart(3, '0')}.nii`),
      makeVolume({ data, size: [6, 5, 4] }),
    );
  }
  const text =
    `source: { glob: { image: '${images}/*.nii' } }\nsteps: [load]\nsinks: [{ nifti: { keys: image } }, summary]\n` +
    'runtime: { inFlight: 1, workers: 1 }\n';
  const rounds = [];
  const serverSeconds = async () => Number(await fact('used_cpu_sys')) + Number(await fact('used_cpu_user'));
  let server = 0;
  for (let round = 0; round < 3; round++) {
    const files = [{ name: join(root, 'bench.yaml'), text }];
    const single = await loadPipelineTexts(files, { set: [`output=${join(root, `single-${round}`)}`] });
    const alone = await timePerCase((onEvent) => runPipeline(single, { onEvent }));
    await submitText(text, `queued-${round}`);
    const link = await connect(url, { patient: true });
    const before = await serverSeconds();
    const queued = await timePerCase((onEvent) =>
      work(link, {
        run: `queued-${round}`,
        exitWhenDone: true,
        stalledAfter: 60,
        attempts: 3,
        retryDelay: 10,
        load: (spec) => pipelineOf(spec, { registry: createRegistry() }),
        signal: new AbortController().signal,
        onEvent,
      }),
    );
    server += await serverSeconds();
    server -= before;
    rounds.push({ alone, queued });
  }
  for (const { alone, queued } of rounds) {
    console.log(
      `A case of a single run: ${alone.toFixed(1)} ms, of a worker: ${queued.toFixed(1)} ms, ` +
        `${(queued - alone).toFixed(1)} ms more`,
    );
  }
  console.log(`The server works ${((server * 1000) / (rounds.length * count)).toFixed(2)} ms for a case`);
}

/** Milliseconds per case, from the end of the first case to that of the last. */
async function timePerCase(run) {
  const ends = [];
  await run(({ event }) => {
    if (event === 'caseDone') ends.push(performance.now());
  });
  return (ends.at(-1) - ends[0]) / (ends.length - 1);
}

async function submitText(text, name) {
  const set = [`output=${join(root, name)}`];
  const files = [{ name: join(root, 'bench.yaml'), text }];
  const pipeline = await loadPipelineTexts(files, { set });
  await submit(store, { files, set, pipeline, name, modelFolders: [], onWarning: console.warn });
}

async function connected() {
  for (;;) {
    try {
      return new Store(await connect(url));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function fact(name) {
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(await store.link.redis.info())[1];
}

async function used() {
  return Number(await fact('used_memory'));
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port: found } = listener.address();
  listener.close();
  return found;
}
