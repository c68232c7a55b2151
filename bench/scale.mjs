// Simulates runs of many cases on many workers of a queue: how long they take, and what the bottleneck is.
// Workers die and are replaced, some cases take much longer than others, and all workers share one storage
// and one queue.
//
//   node bench/scale.mjs [--cases 100000] [--timings DIR/timings.csv] [--storage 1.25] [--price 0.10] …
//
// The default times are those of docs/scale.md, for workers with two processors. --timings reads the times
// of a run's cases instead.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'csv-parse/sync';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    workers: { type: 'string', default: '1,10,100,1000' },
    timings: { type: 'string' },
    // Seconds per window of the network, and for everything else in a case.
    window: { type: 'string', default: '0.066' },
    other: { type: 'string', default: '0.4' },
    // Megabytes of a case's image and results.
    megabytes: { type: 'string', default: '75' },
    // Gigabytes per second of the storage, for all workers together, and of a worker's network.
    storage: { type: 'string', default: '1.25' },
    network: { type: 'string', default: '0.125' },
    // Milliseconds that the queue's server works for a case.
    queue: { type: 'string', default: '0.7' },
    // The share of cases that take ten times as long.
    stragglers: { type: 'string', default: '0.01' },
    // Mean hours until a worker dies, and seconds until its case is given back and until it is replaced.
    lifetime: { type: 'string', default: '24' },
    stalled: { type: 'string', default: '120' },
    restart: { type: 'string', default: '120' },
    // Price of a worker per hour.
    price: { type: 'string', default: '0.10' },
    seed: { type: 'string', default: '1' },
  },
});
const given = Object.fromEntries(
  Object.entries(values).map(([name, value]) => [
    name,
    name === 'workers' || name === 'timings' ? value : Number(value),
  ]),
);

/** A generator of numbers from 0 to 1 (mulberry32). */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws the seconds of a case. */
function caseSeconds(random) {
  let draw = () => {
    // 150 to 450 slices of 1.5 mm: 2 to 8 layers of 5 x 5 windows.
    const slices = 150 + 300 * random();
    return given.other + given.window * 25 * (Math.max(0, Math.ceil((slices * 0.75 - 96) / 72)) + 1);
  };
  if (given.timings) {
    const rows = parse(readFileSync(given.timings), { columns: true });
    const measured = rows.map(({ case: _, ...steps }) =>
      Object.values(steps).reduce((sum, one) => sum + Number(one), 0),
    );
    draw = () => measured[Math.floor(random() * measured.length)];
  }
  return () => draw() * (random() < given.stragglers ? 10 : 1);
}

/** A binary heap of events, the earliest one first. */
class Events {
  #heap = [];

  push(event) {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0 && heap[(i - 1) >> 1].at > event.at) {
      heap[i] = heap[(i - 1) >> 1];
      i = (i - 1) >> 1;
    }
    heap[i] = event;
  }

  pop() {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || !last) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child++;
      if (child >= heap.length || heap[child].at >= last.at) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function simulate(workers) {
  const random = randomNumbers(given.seed);
  const draw = caseSeconds(random);
  const lifetime = () => -Math.log(1 - random()) * given.lifetime * 3600;
  const bytes = given.megabytes / 1000;
  const events = new Events();
  let waiting = given.cases;
  let done = 0;
  let deaths = 0;
  let storageFree = 0;
  let queueFree = 0;
  const busy = { worker: 0, storage: 0, queue: 0 };
  let end = 0;
  for (let i = 0; i < workers; i++) {
    events.push({ at: 0, kind: 'ask', worker: { dies: lifetime(), ready: 0 } });
  }
  /** Workers for which no case was waiting. */
  const idle = [];
  while (done < given.cases) {
    const { at, kind, worker } = events.pop();
    if (kind === 'givenBack') {
      waiting++;
      const one = idle.pop();
      if (one) events.push({ at, kind: 'ask', worker: one });
      continue;
    }
    if (kind === 'done') {
      done++;
      end = at;
      events.push({ at, kind: 'ask', worker });
      continue;
    }
    if (waiting === 0) {
      idle.push(worker);
      continue;
    }
    waiting--;
    // The server of the queue, and then the storage, serve one after the other.
    queueFree = Math.max(queueFree, at) + given.queue / 1000;
    busy.queue += given.queue / 1000;
    const transfer = bytes / given.storage;
    storageFree = Math.max(storageFree, queueFree) + transfer;
    busy.storage += transfer;
    // The next case is read while the present one is in the model.
    const read = Math.max(storageFree, worker.ready + bytes / given.network);
    const seconds = draw();
    const start = Math.max(at, queueFree, read - seconds);
    const finish = Math.max(start + seconds, read);
    worker.ready = read;
    worker.last = seconds;
    if (finish > worker.dies) {
      deaths++;
      const death = Math.max(worker.dies, at);
      busy.worker += death - at;
      events.push({ at: death + given.stalled, kind: 'givenBack' });
      const replaced = death + given.restart;
      events.push({ at: replaced, kind: 'ask', worker: { dies: replaced + lifetime(), ready: replaced } });
      continue;
    }
    busy.worker += seconds;
    events.push({ at: finish, kind: 'done', worker });
  }
  return { hours: end / 3600, deaths, busy, end };
}

const counts = values.workers.split(',').map(Number);
console.log(
  '| workers | hours | cases per hour | workers busy | storage busy | queue busy | workers that died | price |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const workers of counts) {
  const { hours, deaths, busy, end } = simulate(workers);
  const share = (seconds, places = 1) => `${((100 * seconds) / (end * places)).toFixed(1)} %`;
  const cells = [
    workers,
    hours.toFixed(2),
    Math.round(given.cases / hours),
    share(busy.worker, workers),
    share(busy.storage),
    share(busy.queue),
    deaths,
    `$${(hours * workers * given.price).toFixed(0)}`,
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
