import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { metricsAddress } from '#src/cli/observers.js';
import { serveMetrics } from '#src/observe/prometheus.js';
import { startTraces } from '#src/observe/traces.js';
import { Lane } from '#src/runtime/lane.js';

/** The samples of a page of metrics, by name and labels. */
async function samplesOf(url: string): Promise<Record<string, number>> {
  const text = await (await fetch(url)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('voxstream_'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(10, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

test('metrics count cases by outcome, seconds, bytes, open cases and their memory, lanes and the queue', async () => {
  const metrics = await serveMetrics('127.0.0.1', 0);
  const lanes = { io: new Lane(4), cpu: new Lane(2), device: new Lane(1) };
  metrics.watch({ lanes });
  const run = { name: 'ct' };
  metrics.onEvent({ event: 'caseStart', case: 'a', memory: 100 }, run);
  metrics.onEvent({ event: 'caseStart', case: 'b', memory: 50 }, run);
  metrics.onEvent({ event: 'caseStart', case: 'c', memory: 7 }, run);
  metrics.onEvent({ event: 'step', case: 'a', step: 'load', seconds: 0.2 }, run);
  const sizes = { bytesRead: 1000, bytesWritten: 10 };
  metrics.onEvent({ event: 'caseDone', case: 'a', index: 0, seconds: 2, ...sizes, metrics: {} }, run);
  metrics.onEvent({ event: 'caseDelayed', case: 'c', step: 'load', message: 'stale' }, run);
  // It failed before it was opened.
  metrics.onEvent({ event: 'caseFailed', case: 'd', index: 3, step: 'source', message: 'bad' }, run);
  metrics.onCounts([{ run: 'ct', waiting: 5, active: 1, delayed: 1, failed: 1 }]);
  let leave = () => {};
  const held = lanes.cpu.run(() => new Promise<void>((resolve) => (leave = resolve)));
  const samples = await samplesOf(metrics.url);
  leave();
  await held;
  const later = await samplesOf(metrics.url);
  assert.equal(
    [later['lane_seconds_count{lane="cpu"}'], later['lane_seconds_count{lane="io"}']],
    [1, undefined],
  );
  const expected = {
    'cases_total{run="ct",outcome="done"}': 1,
    'cases_total{run="ct",outcome="delayed"}': 1,
    'cases_total{run="ct",outcome="failed"}': 1,
    'cases_in_flight{run="ct"}': 1,
    'memory_admitted_bytes{run="ct"}': 50,
    'step_seconds_bucket{le="0.1",run="ct",step="load"}': 0,
    'step_seconds_bucket{le="0.3",run="ct",step="load"}': 1,
    'case_seconds_sum{run="ct"}': 2,
    'read_bytes_total{run="ct"}': 1000,
    'written_bytes_total{run="ct"}': 10,
    'queue_cases{run="ct",state="waiting"}': 5,
    'lane_busy_places{lane="cpu"}': 1,
    'lane_places{lane="io"}': 4,
  };
  const found = Object.fromEntries(Object.keys(expected).map((key) => [key, samples[key]]));
  assert.equal(found, expected);
  const root = new URL('/', metrics.url).href;
  assert.is(await (await fetch(`${root}healthz`)).text(), 'ok\n');
  assert.is((await fetch(root)).status, 404);
  const { port } = new URL(metrics.url);
  await serveMetrics('127.0.0.1', Number(port)).then(
    () => assert.unreachable('the port is taken'),
    (error) =>
      assert.match(error.message, /cannot be served on 127\.0\.0\.1:\d+: .*EADDRINUSE.*--metrics-port/),
  );
  await metrics.close();
});

test('metrics are served on this machine only, unless an address is given', () => {
  assert.equal(metricsAddress('9464'), { host: '127.0.0.1', port: 9464 });
  assert.equal(metricsAddress('0.0.0.0:9464'), { host: '0.0.0.0', port: 9464 });
  assert.equal(metricsAddress('[::1]:0'), { host: '::1', port: 0 });
  for (const wrong of ['', 'x', '70000', 'host:', ':1'])
    assert.throws(() => metricsAddress(wrong), /must be a port/);
});

interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}

test('a case and its steps are spans in the trace of the run that was submitted elsewhere', async () => {
  const spans: ReceivedSpan[] = [];
  const paths = new Set<string | undefined>();
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      paths.add(request.url);
      const { resourceSpans } = JSON.parse(body);
      for (const { scopeSpans } of resourceSpans) for (const one of scopeSpans) spans.push(...one.spans);
      response.setHeader('Content-Type', 'application/json');
      response.end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  try {
    const submitting = await startTraces();
    const traceparent = submitting.runStarted('ct', 'submit');
    await submitting.close();
    const worker = await startTraces({ 'voxstream.worker': 'w1' });
    const run = { name: 'ct', traceparent };
    worker.onEvent({ event: 'caseStart', case: 'a' }, run);
    worker.onEvent({ event: 'step', case: 'a', step: 'load', seconds: 0.5 }, run);
    const sizes = { bytesRead: 1, bytesWritten: 1 };
    worker.onEvent({ event: 'caseDone', case: 'a', index: 0, seconds: 1, ...sizes, metrics: {} }, run);
    worker.onEvent({ event: 'caseFailed', case: 'b', index: 1, step: 'source', message: 'bad' }, run);
    await worker.close();
    assert.equal([...paths], ['/v1/traces']);
    const byName = (name: string) => spans.filter((span) => span.name === name);
    const [submitted] = byName('submit');
    const [done, failed] = byName('case');
    const [step] = byName('load');
    for (const span of [done, failed, step]) assert.is(span.traceId, submitted.traceId);
    assert.is(done.parentSpanId, submitted.spanId);
    assert.is(step.parentSpanId, done.spanId);
    assert.is(failed.status.message, 'bad');
    const names = done.attributes.map(({ key, value }) => `${key}=${value.stringValue}`);
    assert.equal(names, ['voxstream.case=a', 'voxstream.run=ct', 'voxstream.outcome=done']);
  } finally {
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    receiver.close();
    receiver.closeAllConnections();
  }
});

test.run();
