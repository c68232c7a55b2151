import type { Context, Span, SpanOptions } from '@opentelemetry/api';
import { optionalPackage } from '../optionalPackage.js';
import { version } from '../version.js';
import type { ObservedRun, Observer } from './events.js';

/** Sends spans to an OpenTelemetry collector: one for each case, and in it one for each step. */
export interface Traces extends Observer {
  /** Records the submission or the start of a run. Returns its context, a W3C traceparent. */
  runStarted(name: string, what: 'submit' | 'run'): string;
}

/** Whether the environment names a collector (OTLP over HTTP). */
export function tracesWanted(): boolean {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = process.env;
  return Boolean(OTEL_EXPORTER_OTLP_ENDPOINT || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
}

const packages = [
  '@opentelemetry/api',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace-base',
  '@opentelemetry/exporter-trace-otlp-http',
];

/**
 * Starts to send traces to the collector that the environment variable OTEL_EXPORTER_OTLP_ENDPOINT names. The
 * other variables of OpenTelemetry apply too.
 *
 * @param attributes What all spans of this process say, e.g. the name of a worker.
 * @throws OptionError if the packages of OpenTelemetry are not installed.
 */
export async function startTraces(attributes: Readonly<Record<string, string>> = {}): Promise<Traces> {
  const [api, resources, sdk, exporter] = await optionalPackage(
    () =>
      Promise.all([
        import('@opentelemetry/api'),
        import('@opentelemetry/resources'),
        import('@opentelemetry/sdk-trace-base'),
        import('@opentelemetry/exporter-trace-otlp-http'),
      ]),
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    packages,
  );
  const { ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } = api;
  const fixed = resources.resourceFromAttributes({
    'service.name': process.env.OTEL_SERVICE_NAME || 'voxstream',
    'service.version': version,
    ...attributes,
  });
  const provider = new sdk.BasicTracerProvider({
    resource: resources.defaultResource().merge(fixed),
    spanProcessors: [new sdk.BatchSpanProcessor(new exporter.OTLPTraceExporter())],
  });
  const tracer = provider.getTracer('voxstream', version);

  const contextOf = (run: ObservedRun | undefined): Context => {
    const found = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(run?.traceparent ?? '');
    if (!found) return ROOT_CONTEXT;
    const [, traceId, spanId] = found;
    const remote = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    return trace.setSpanContext(ROOT_CONTEXT, remote);
  };
  /** The spans of open cases, by run and case. */
  const open = new Map<string, Span>();
  const keyOf = (run: ObservedRun | undefined, id: string) => JSON.stringify([run?.name, id]);
  const startCase = (run: ObservedRun | undefined, id: string, options: SpanOptions = {}) => {
    const span = tracer.startSpan(
      'case',
      { ...options, attributes: { 'voxstream.case': id, ...(run && { 'voxstream.run': run.name }) } },
      contextOf(run),
    );
    open.set(keyOf(run, id), span);
    return span;
  };
  const end = (run: ObservedRun | undefined, id: string, outcome: string, message?: string) => {
    const span = open.get(keyOf(run, id)) ?? startCase(run, id);
    open.delete(keyOf(run, id));
    span.setAttribute('voxstream.outcome', outcome);
    if (message !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message });
    span.end();
  };
  return {
    runStarted(name, what) {
      const span = tracer.startSpan(what, { attributes: { 'voxstream.run': name } }, ROOT_CONTEXT);
      const { traceId, spanId } = span.spanContext();
      span.end();
      return `00-${traceId}-${spanId}-01`;
    },
    onEvent(event, run) {
      switch (event.event) {
        case 'caseStart':
          startCase(run, event.case);
          break;
        case 'step': {
          const parent = open.get(keyOf(run, event.case));
          if (!parent) break;
          const now = Date.now();
          const options = {
            startTime: now - event.seconds * 1000,
            attributes: { 'voxstream.case': event.case, 'voxstream.step': event.step },
          };
          tracer.startSpan(event.step, options, trace.setSpan(ROOT_CONTEXT, parent)).end(now);
          break;
        }
        case 'caseDone':
          end(run, event.case, 'done');
          break;
        case 'caseFailed':
        case 'caseDelayed':
          end(run, event.case, event.event === 'caseFailed' ? 'failed' : 'delayed', event.message);
          break;
        case 'caseGivenBack':
          end(run, event.case, 'given back');
          break;
        default:
      }
    },
    async close() {
      for (const span of open.values()) span.end();
      // A collector that does not answer must not keep the process from ending with its own exit code.
      await provider.shutdown().catch(() => {});
    },
  };
}
