import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, OptionError } from '../errors.js';
import { optionalPackage } from '../optionalPackage.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Observer } from './events.js';

/** The cases of a run on a queue, by state. */
export interface QueueDepth {
  readonly run: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly failed: number;
}

/** An HTTP server with the metrics of this process, for Prometheus. */
export interface MetricsServer extends Observer {
  readonly url: string;
  /** Takes the runtime whose lanes are shown; undefined if there is none at present. */
  watch(runtime: Pick<Runtime, 'lanes'> | undefined): void;
  onCounts(counts: readonly QueueDepth[]): void;
}

/** From the smallest phantoms to whole-body CTs on a CPU. */
const buckets = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000];

/**
 * Serves metrics at `/metrics`, and at `/healthz` the text `ok`.
 *
 * @throws OptionError if prom-client is not installed, or the port is taken.
 */
export async function serveMetrics(host: string, port: number): Promise<MetricsServer> {
  const { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } = await optionalPackage(
    () => import('prom-client'),
    '--metrics-port',
    ['prom-client'],
  );
  const registers = [new Registry()];
  const [registry] = registers;
  collectDefaultMetrics({ register: registry });
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `voxstream_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, labelNames: string[], collect?: () => void) =>
    new Gauge({ name: `voxstream_${name}`, help, labelNames, registers, ...(collect && { collect }) });
  const histogram = (name: string, help: string, labelNames: string[]) =>
    new Histogram({ name: `voxstream_${name}`, help, labelNames, registers, buckets });

  const cases = counter('cases_total', 'Cases that ended, by outcome', ['run', 'outcome']);
  const caseSeconds = histogram('case_seconds', 'Seconds from the start of a case to its end', ['run']);
  const stepSeconds = histogram('step_seconds', 'Seconds of work of a step, without waiting', [
    'run',
    'step',
  ]);
  const laneWork = histogram('lane_seconds', 'Seconds that a piece of work held a place of a lane', ['lane']);
  const bytesRead = counter('read_bytes_total', 'Size of the files that cases were read from', ['run']);
  const bytesWritten = counter('written_bytes_total', 'Size of the files with results', ['run']);
  const inFlight = gauge('cases_in_flight', 'Open cases', ['run']);
  const memory = gauge('memory_admitted_bytes', 'Estimated memory of open cases', ['run']);
  const depth = gauge('queue_cases', 'Cases of a run on the queue, by state', ['run', 'state']);
  let lanes: Runtime['lanes'] | undefined;
  const lanesNow = () => Object.entries(lanes ?? {});
  const busy = gauge('lane_busy_places', 'Places of a lane that are busy', ['lane'], () => {
    busy.reset();
    for (const [lane, { active }] of lanesNow()) busy.set({ lane }, active);
  });
  const width = gauge('lane_places', 'Places of a lane', ['lane'], () => {
    width.reset();
    for (const [lane, { width: places }] of lanesNow()) width.set({ lane }, places);
  });
  const laneSeconds = counter('lane_busy_seconds_total', 'Seconds of finished work on a lane', ['lane']);
  /** What was counted of each lane of the present runtime. */
  const counted = new Map<string, number>();

  /** The memory of open cases, by run and case. */
  const open = new Map<string, number>();
  const keyOf = (run: string, id: string) => JSON.stringify([run, id]);
  const ended = (run: string, id: string) => {
    const bytes = open.get(keyOf(run, id));
    if (bytes === undefined) return;
    open.delete(keyOf(run, id));
    inFlight.dec({ run });
    memory.dec({ run }, bytes);
  };

  const server = createServer(async ({ url }, response) => {
    if (url === '/healthz') response.end('ok\n');
    else if (url === '/metrics') {
      for (const [lane, { busySeconds }] of lanesNow()) {
        laneSeconds.inc({ lane }, busySeconds - (counted.get(lane) ?? 0));
        counted.set(lane, busySeconds);
      }
      response.setHeader('Content-Type', registry.contentType);
      response.end(await registry.metrics());
    } else {
      response.statusCode = 404;
      response.end('The metrics are at /metrics.\n');
    }
  });
  server.listen(port, host);
  await once(server, 'listening').catch((error) => {
    throw new OptionError(
      `The metrics cannot be served on ${host}:${port}: ${messageOf(error)}. Give another --metrics-port.`,
    );
  });
  // It must not keep the process alive.
  server.unref();
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/metrics`,
    watch(runtime) {
      counted.clear();
      lanes = runtime?.lanes;
      for (const [lane, one] of lanesNow()) one.onWork = (seconds) => laneWork.observe({ lane }, seconds);
    },
    onCounts(counts) {
      depth.reset();
      for (const { run, waiting, active, delayed, failed } of counts) {
        for (const [state, count] of Object.entries({ waiting, active, delayed, failed })) {
          depth.set({ run, state }, count);
        }
      }
    },
    onEvent(event, { name: run } = { name: '' }) {
      switch (event.event) {
        case 'caseStart':
          open.set(keyOf(run, event.case), event.memory ?? 0);
          inFlight.inc({ run });
          memory.inc({ run }, event.memory ?? 0);
          break;
        case 'step':
          stepSeconds.observe({ run, step: event.step }, event.seconds);
          break;
        case 'caseDone':
          ended(run, event.case);
          cases.inc({ run, outcome: 'done' });
          caseSeconds.observe({ run }, event.seconds);
          bytesRead.inc({ run }, event.bytesRead);
          bytesWritten.inc({ run }, event.bytesWritten);
          break;
        case 'caseFailed':
          ended(run, event.case);
          cases.inc({ run, outcome: 'failed' });
          break;
        case 'caseSkipped':
          cases.inc({ run, outcome: 'skipped' });
          break;
        case 'caseDelayed':
          ended(run, event.case);
          cases.inc({ run, outcome: 'delayed' });
          break;
        case 'caseGivenBack':
          ended(run, event.case);
          break;
        default:
      }
    },
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
