import { type Command, InvalidArgumentError } from 'commander';
import type { Observer } from '../observe/events.js';
import { type MetricsServer, serveMetrics } from '../observe/prometheus.js';
import { startTraces, type Traces, tracesWanted } from '../observe/traces.js';

/** Where metrics are served. */
interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

export interface ObserverFlags {
  readonly metricsPort?: MetricsAddress;
}

/** Adds `--metrics-port`. */
export function addMetricsOption(command: Command): Command {
  return command.option(
    '--metrics-port <[host:]port>',
    'serve metrics for Prometheus on this port of 127.0.0.1, or of another address, e.g. 0.0.0.0:9464',
    metricsAddress,
  );
}

/** Parser for `[HOST:]PORT`. An IPv6 address is in brackets. */
export function metricsAddress(value: string): MetricsAddress {
  const [, host = '127.0.0.1', port] = /^(?:(\[[\da-f:]+\]|[\w.-]+):)?(\d{1,5})$/i.exec(value) ?? [];
  if (port === undefined || Number(port) > 65_535)
    throw new InvalidArgumentError(
      'It must be a port from 0 to 65535, or an address and a port, e.g. 0.0.0.0:9464.',
    );
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

/** The observers of a process: metrics if a port is given, traces if the environment names a collector. */
export interface Observers extends Observer, Pick<MetricsServer, 'watch' | 'onCounts'> {
  /** The address of the metrics. */
  readonly url?: string;
  readonly traces?: Traces;
}

/** Opens the observers that flags and the environment ask for. */
export async function openObservers({ metricsPort }: ObserverFlags): Promise<Observers> {
  const metrics = metricsPort && (await serveMetrics(metricsPort.host, metricsPort.port));
  const traces = tracesWanted() ? await startTraces() : undefined;
  return {
    ...(metrics && { url: metrics.url }),
    ...(traces && { traces }),
    watch: (runtime) => metrics?.watch(runtime),
    onCounts: (counts) => metrics?.onCounts(counts),
    onEvent(event, run) {
      metrics?.onEvent(event, run);
      traces?.onEvent(event, run);
    },
    async close() {
      await Promise.all([metrics?.close(), traces?.close()]);
    },
  };
}
