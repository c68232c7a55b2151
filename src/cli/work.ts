import type { Command } from 'commander';
import { visible } from '../harmless.js';
import { maskEvent, maskOf } from '../mask.js';
import type { ObservedEvent } from '../observe/events.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { connect } from '../queue/redis.js';
import { pipelineOf, type RunSpec } from '../queue/spec.js';
import { type WorkPlace, work } from '../queue/work.js';
import { positive } from './args.js';
import { addMetricsOption, type ObserverFlags, openObservers } from './observers.js';
import { printError } from './print.js';
import { addQueueOption, type QueueFlags, seconds } from './queueOptions.js';
import { addShared, runtimeOverrides, type SharedFlags } from './sharedOptions.js';
import { interruptedCode, stopOnSignal } from './stopOnSignal.js';
import { oneEntry } from './terminal.js';
import { runtimeDefaults } from './userConfig.js';

interface WorkFlags extends SharedFlags, QueueFlags, ObserverFlags {
  readonly run?: string;
  readonly exitWhenDone?: boolean;
  readonly stalledAfter: number;
  readonly attempts: number;
  readonly retryDelay: number;
}

/** Adds `voxstream work`, which takes cases from a queue. */
export function addWorkCommand(program: Command): void {
  const command = addMetricsOption(addQueueOption(program.command('work')))
    .summary('take cases from a queue and run them')
    .description(
      'Takes cases from a queue and runs them, until it is stopped. Ctrl-C and SIGTERM give open cases back at once. A ' +
        'case that killed two workers is set aside, and so is one whose failure does not pass.',
    )
    .option('--run <name>', 'work on this run only; default: on all, the most urgent one first')
    .option('--exit-when-done', 'end when no run has a case left')
    .option(
      '--stalled-after <seconds>',
      'give the cases of a worker without a sign of life to others after this time; the same for all workers',
      seconds(2),
      60,
    )
    .option('--attempts <n>', 'how often a case is tried whose failure may pass', positive, 3)
    .option(
      '--retry-delay <seconds>',
      'time before the second try; four times as long before each further one',
      seconds(0),
      10,
    );
  addShared(command, 'device', 'inFlight', 'memory', 'workers', 'use', 'json').action(
    async (flags: WorkFlags) => {
      process.exitCode = await runWorker(flags);
    },
  );
}

async function runWorker(flags: WorkFlags): Promise<number> {
  const registry = await loadRegistry(flags.use ?? []);
  const set = runtimeOverrides(flags);
  const masks = new Map<string, ReturnType<typeof maskOf>>();
  const load = async (spec: RunSpec) => {
    const pipeline = await pipelineOf(spec, { registry, set, runtimeDefaults: runtimeDefaults() });
    masks.set(spec.name, maskOf(pipeline));
    return pipeline;
  };
  const observers = await openObservers(flags);
  const say = flags.json ? sayJson : sayLine;
  const onEvent = (event: ObservedEvent, place: WorkPlace) => {
    const mask = place.run && masks.get(place.run.name);
    const shown = mask ? maskEvent(mask, event) : event;
    say(shown, place);
    observers.onEvent(shown, place.run);
  };
  const onChange = (connected: boolean) =>
    printError(connected ? 'The queue is back.\n' : 'The connection to the queue is lost. Waiting for it.\n');
  const link = await connect(flags.queue, { patient: true, onChange });
  if (observers.url) printError(`Metrics: ${observers.url}\n`);
  const stop = stopOnSignal(() => printError('Stopping: open cases are given back to the queue.\n'));
  try {
    const { worker, done, failed, over } = await work(link, {
      ...flags,
      load,
      signal: stop.signal,
      onEvent,
      onRuntime: (runtime) => observers.watch(runtime),
      onCounts: (counts) => observers.onCounts(counts),
    });
    printError(`${worker}: ${done} case(s) done, ${failed} failed\n`);
    if (stop.signal.aborted) return interruptedCode;
    return over && failed > 0 ? 2 : 0;
  } finally {
    stop.end();
    await link.close();
    await observers.close();
  }
}

function sayJson(event: ObservedEvent, { worker, run }: WorkPlace): void {
  const line = { time: new Date().toISOString(), worker, ...(run && { run: run.name }), ...event };
  process.stdout.write(`${visible(JSON.stringify(line))}\n`);
}

function sayLine(event: ObservedEvent, { run }: WorkPlace): void {
  const text = textOf(event);
  if (text !== undefined) process.stderr.write(`${oneEntry(`${run?.name ?? 'queue'}: ${text}`)}\n`);
}

function textOf(event: ObservedEvent): string | undefined {
  switch (event.event) {
    case 'start':
      return `${event.cases} case(s), ${event.inFlight} at once here, device ${event.device}, into ${event.output}`;
    case 'caseDone':
      return `${visible(event.case)}: done in ${event.seconds.toFixed(1)} s`;
    case 'caseFailed':
      return `${visible(event.case)}: failed at ${event.step}: ${event.message}`;
    case 'caseDelayed':
      return `${visible(event.case)}: failed at ${event.step}, and is tried again later: ${event.message}`;
    case 'warning':
      return `Warning: ${event.case === undefined ? '' : `${visible(event.case)}: `}${event.message}`;
    default:
      return undefined;
  }
}
