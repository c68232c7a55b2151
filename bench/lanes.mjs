// Simulates one process that streams many cases of one size: which lane is the bottleneck on machines with
// more processors and GPUs than are at hand, and whether `inFlight: auto` opens as many cases as they need.
//
//   node bench/lanes.mjs [--cores 4,16,64] [--gpus 0,1,2,4,8] [--windows 50] [--cases 60] [--sums ordered] …
//
// Lanes, their widths, sessions and `auto` are those of the program; the times of the steps are given. The
// defaults are those of a CT of 512 x 512 x 100 voxels and the spleen UNet in docs/performance.md and
// docs/gpu.md. Processors are shared fairly by all threads that work. What is left out: the memory's
// bandwidth, the disk, and threads inside ONNX Runtime that wait for each other.
import { parseArgs } from 'node:util';
import { autoInFlight } from '../dist/pipeline/engine.js';
import { deviceSessions } from '../dist/runtime/deviceSessions.js';
import { Lane } from '../dist/runtime/lane.js';
import { createRuntime } from '../dist/runtime/runtime.js';
import { table } from './processes.mjs';

const { values } = parseArgs({
  options: {
    cores: { type: 'string', default: '4,16,64' },
    gpus: { type: 'string', default: '0,1,2,4,8' },
    cases: { type: 'string', default: '60' },
    windows: { type: 'string', default: '50' },
    // Windows per run of the model on a GPU.
    batch: { type: 'string', default: '4' },
    // Processor seconds of the steps of a case. Those of the lane cpu are split over all threads.
    load: { type: 'string', default: '0.19' },
    prepare: { type: 'string', default: '0.22' },
    labels: { type: 'string', default: '0.18' },
    write: { type: 'string', default: '0.03' },
    // Processor milliseconds per window: the model on a CPU, cutting it out, and adding its output.
    model: { type: 'string', default: '110' },
    cut: { type: 'string', default: '2.1' },
    add: { type: 'string', default: '3.8' },
    // Milliseconds per window of one GPU with 1, 2 and 4 sessions, all of them together.
    gpu: { type: 'string', default: '1.74,1.27,1.01' },
    // How outputs are added up: `ordered`, one window after the other, or in `bands` of slices.
    sums: { type: 'string', default: 'bands' },
    // The memory of an open case, in MiB.
    memory: { type: 'string', default: '230' },
  },
});
const list = (text) => text.split(',').map(Number);
const given = {
  ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)])),
  cores: list(values.cores),
  gpus: list(values.gpus),
  gpu: list(values.gpu),
  sums: values.sums,
};

/** Work that is under way. A thread gets a processor, or an equal share of all of them. */
class Processors {
  #jobs = new Set();
  busy = 0;

  constructor(count) {
    this.count = count;
  }

  /** Waits until `threads` threads have worked for `seconds` in all. */
  work(seconds, threads = 1) {
    return new Promise((done) => this.#jobs.add({ left: seconds, threads, done }));
  }

  get #speed() {
    let threads = 0;
    for (const job of this.#jobs) threads += job.threads;
    return Math.min(1, this.count / threads);
  }

  /** Seconds until the next piece of work ends. */
  next() {
    const speed = this.#speed;
    let least = Number.POSITIVE_INFINITY;
    for (const { left, threads } of this.#jobs) least = Math.min(least, left / (threads * speed));
    return least;
  }

  advance(seconds) {
    const speed = this.#speed;
    for (const job of this.#jobs) {
      job.left -= seconds * job.threads * speed;
      this.busy += seconds * job.threads * speed;
      if (job.left > 1e-12) continue;
      this.#jobs.delete(job);
      job.done();
    }
  }
}

/** A GPU: faster, window by window, when several sessions use it. */
class Gpu {
  #runs = new Set();
  busy = 0;

  run(windows) {
    return new Promise((done) => this.#runs.add({ left: windows, done }));
  }

  /** Windows per second of each run. */
  get #speed() {
    const sessions = this.#runs.size;
    const [one, two, four] = given.gpu;
    const each = sessions < 2 ? one : sessions < 4 ? two : four;
    return 1000 / each / sessions;
  }

  next() {
    let least = Number.POSITIVE_INFINITY;
    for (const { left } of this.#runs) least = Math.min(least, left / this.#speed);
    return least;
  }

  advance(seconds) {
    if (this.#runs.size === 0) return;
    this.busy += seconds;
    const windows = seconds * this.#speed;
    for (const run of this.#runs) {
      run.left -= windows;
      if (run.left > 1e-9) continue;
      this.#runs.delete(run);
      run.done();
    }
  }
}

/** Runs `work` in simulated time; returns its seconds. */
async function simulate(resources, work) {
  let ended = false;
  let seconds = 0;
  const running = work().then(() => {
    ended = true;
  });
  for (;;) {
    // Everything that can go on at this moment does.
    await new Promise((resolve) => setImmediate(resolve));
    if (ended) break;
    const step = Math.min(...resources.map((one) => one.next()));
    if (step === Number.POSITIVE_INFINITY) throw new Error('The simulated stream is stuck.');
    for (const one of resources) one.advance(step);
    seconds += step;
  }
  await running;
  return seconds;
}

/** Streams cases; returns seconds per case and what was busy. */
async function stream(cores, gpuCount, inFlight) {
  const { lanes } = createRuntime({ workers: cores });
  const device = gpuCount === 0 ? 'cpu' : `cuda:${Array.from({ length: gpuCount }, (_, i) => i)}`;
  const sessions = deviceSessions(device, 0, cores);
  const processors = new Processors(cores);
  const gpus = Array.from({ length: gpuCount }, () => new Gpu());
  // In bands, as many windows are added at once as there are bands in a window.
  const adding = new Lane(given.sums === 'ordered' ? 1 : 12);
  const busy = { io: 0, cpu: 0, device: 0, adding: 0 };
  let time = 0;
  const clock = {
    next: () => Number.POSITIVE_INFINITY,
    advance(seconds) {
      time += seconds;
      for (const name of ['io', 'cpu', 'device'])
        busy[name] += (seconds * lanes[name].active) / lanes[name].width;
      busy.adding += (seconds * adding.active) / adding.width;
    },
  };
  const infer = async (leave) => {
    let windows = given.windows;
    await Promise.all(
      sessions.map(async ({ threads }, at) => {
        while (windows > 0) {
          const batch = gpuCount === 0 ? 1 : Math.min(given.batch, windows);
          windows -= batch;
          await processors.work((batch * given.cut) / 1000);
          if (gpuCount === 0) await processors.work(given.model / 1000, threads);
          else await gpus[Math.floor((at * gpuCount) / sessions.length)].run(batch);
          await adding.run(() => processors.work((batch * given.add) / 1000));
        }
        leave();
      }),
    );
  };
  let waiting = given.cases;
  let open = 0;
  let mostOpen = 0;
  const ends = [];
  const oneCase = async () => {
    mostOpen = Math.max(mostOpen, ++open);
    await lanes.io.run(() => processors.work(given.load));
    await lanes.cpu.run(() => processors.work(given.prepare, cores));
    await lanes.device.run(infer);
    await lanes.cpu.run(() => processors.work(given.labels, cores));
    await lanes.io.run(() => processors.work(given.write));
    open--;
    ends.push(time);
  };
  const work = async () => {
    const place = async () => {
      while (waiting-- > 0) await oneCase();
    };
    await Promise.all(Array.from({ length: inFlight }, place));
  };
  const seconds = await simulate([processors, ...gpus, clock], work);
  // The stream runs full from the first quarter of the cases to the last one that opens.
  const [from, to] = [ends[given.cases >> 2], ends[given.cases - inFlight - 1] ?? ends.at(-1)];
  const count = given.cases - inFlight - 1 - (given.cases >> 2);
  return {
    perCase: count > 0 ? (to - from) / count : seconds / given.cases,
    sessions: sessions.length,
    mostOpen,
    busy: {
      ...Object.fromEntries(Object.entries(busy).map(([name, sum]) => [name, sum / seconds])),
      processors: processors.busy / cores / seconds,
      gpu: gpus.reduce((sum, one) => sum + one.busy, 0) / (gpuCount || 1) / seconds,
    },
  };
}

/** The least number of open cases whose speed is within 3 % of the best. */
async function enough(cores, gpuCount, most) {
  const tried = [];
  for (let inFlight = 1; inFlight <= most; inFlight++) {
    tried.push((await stream(cores, gpuCount, inFlight)).perCase);
  }
  return tried.findIndex((one) => one <= Math.min(...tried) * 1.03) + 1;
}

const percent = (share) => `${Math.round(share * 100)} %`;
const rows = [
  ['cores', 'GPUs', 'sessions', 's per case', 'auto', 'enough', 'memory (GiB)'].concat(
    ...['processors', 'GPUs busy', 'adding', 'io', 'cpu', 'device'],
  ),
];
for (const cores of given.cores) {
  for (const gpuCount of given.gpus) {
    const auto = autoInFlight(createRuntime({ workers: cores }));
    const { perCase, sessions, mostOpen, busy } = await stream(cores, gpuCount, auto);
    rows.push([
      ...[cores, gpuCount || 'none', sessions, perCase.toFixed(3), auto],
      await enough(cores, gpuCount, auto + 2),
      ((mostOpen * given.memory) / 1024).toFixed(1),
      ...[busy.processors, busy.gpu, busy.adding, busy.io, busy.cpu, busy.device].map(percent),
    ]);
  }
}
console.log(table(rows));
