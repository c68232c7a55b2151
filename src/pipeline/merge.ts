import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { absolutePlace, joinPlace } from '../address.js';
import { listNames, OptionError, show } from '../errors.js';
import { revealEnvironment } from '../mask.js';
import { sayFault } from '../options.js';
import { casesFolder, readFailures, readRunRecord } from '../report/read.js';
import { type AssembledSink, assemble } from './assemble.js';
import { readCaseList } from './caseList.js';
import type { Failure } from './events.js';
import { Journal, type JournalEntry } from './journal.js';
import { createRegistry, metricFinder, type Registry, unknownDefinition } from './registry.js';
import { type RunFolder, withRunFolders } from './runFolder.js';

const choice = z.record(z.string(), z.unknown());

/** What a merge reads in the run.json of a shard. */
const shardRecord = z.looseObject({
  voxstream: z.string(),
  identity: z.string(),
  dataset: z.string().optional(),
  shard: z.object({ index: z.int().min(1), count: z.int().min(1) }).optional(),
  device: z.string(),
  started: z.string(),
  seconds: z.number().optional(),
  interrupted: z.boolean().optional(),
  models: z.array(z.looseObject({ name: z.string(), sha256: z.string() })),
  pipeline: z.looseObject({
    name: z.string(),
    steps: z.array(choice),
    sinks: z.array(choice),
    runtime: z.looseObject({ seed: z.number() }),
  }),
});

type ShardRecord = z.infer<typeof shardRecord>;

/** A run with `--shard`, as its folder has it. */
interface Shard {
  /** As the user gave it. */
  readonly folder: string;
  /** The folder on this machine. */
  readonly path: string;
  readonly record: ShardRecord;
  readonly index: number;
  readonly count: number;
  /** The ids of its cases, in dataset order. */
  readonly cases: readonly string[];
  readonly finished: ReadonlyMap<string, JournalEntry>;
  readonly failures: readonly Failure[];
}

/** Options of a merge. */
export interface MergeOptions {
  /** Merge the shards that are there, although some are missing or unfinished. */
  readonly partial?: boolean;
  /** Replace files that no run in the output folder wrote. */
  readonly overwrite?: boolean;
  /** The definitions of sinks and metrics. Default: the built-in ones. */
  readonly registry?: Registry;
  readonly onWarning?: (message: string) => void;
}

/** The outcome of a merge. */
export interface Merged {
  readonly done: number;
  readonly failed: number;
  /** Cases of the given shards that are neither done nor failed. */
  readonly unfinished: number;
  /** One sentence for each file that could not be written. */
  readonly problems: readonly string[];
}

/**
 * Puts the shards of a run together: writes the tables of sinks, `failures.csv`, `timings.csv`, `run.json`,
 * the journal and the report that one run of all cases would have written. The files of cases stay where the
 * shards wrote them, and the journal names them there.
 *
 * @param folders The output folders of the shards, in any order.
 * @throws OptionError if a folder is not that of a shard, if shards do not belong together, or if one is
 * missing, given twice or unfinished.
 */
export async function mergeShards(
  folders: readonly string[],
  output: string,
  { partial = false, overwrite, registry = createRegistry(), onWarning }: MergeOptions = {},
): Promise<Merged> {
  const target = absolutePlace(output);
  const same = folders.find((folder) => absolutePlace(folder) === target);
  if (same !== undefined) {
    throw new OptionError(
      `${same} is a shard, so it cannot be the output folder too. Give another one with -o.`,
    );
  }
  return withRunFolders(folders, async (opened) => {
    const shards: Shard[] = [];
    for (const folder of opened) shards.push(await readShard(folder, registry));
    return mergeRead(shards, target, { partial, overwrite, registry, onWarning });
  });
}

/** Merges shards whose records are read. */
async function mergeRead(
  shards: Shard[],
  target: string,
  { partial, overwrite, registry, onWarning }: MergeOptions & { readonly registry: Registry },
): Promise<Merged> {
  const [first, ...others] = shards.sort((a, b) => a.index - b.index);
  for (const other of others) checkTogether(first, other);
  if (!partial) checkComplete(shards);
  const devices = [...new Set(shards.map(({ record }) => record.device))];
  if (devices.length > 1) {
    onWarning?.(
      `The shards ran on different devices (${listNames(devices)}), whose results may differ in the last digits.`,
    );
  }
  const order = interleave(shards);
  const finished = new Map(shards.flatMap((shard) => [...shard.finished]));
  const failures = shards.flatMap((shard) => shard.failures);
  const { pipeline, started: _, seconds: __, shard: ___, cases: ____, ...rest } = first.record;
  const began = shards.map(({ record }) => Date.parse(record.started));
  const ended = shards.map(({ record }, i) => began[i] + (record.seconds ?? 0) * 1000);
  const problems = await assemble({
    output: target,
    sinks: pipeline.sinks.map((sink) => configureSink(sink, registry, first.folder)),
    seed: pipeline.runtime.seed,
    secrets: new Map(),
    order,
    finished,
    failures,
    provenance: {
      ...withoutOutcome(rest),
      pipeline,
      started: new Date(Math.min(...began)).toISOString(),
      cases: new Set(order).size,
      merged: shards.map(({ folder, index, count }) => ({
        folder: absolutePlace(folder),
        shard: { index, count },
      })),
    },
    outcome: { seconds: (Math.max(...ended) - Math.min(...began)) / 1000 },
    overwrite,
    prepare: (folder) => copyPictures(pipeline, shards, folder),
    onWarning,
  });
  const done = finished.size;
  return { done, failed: failures.length, unfinished: order.length - done - failures.length, problems };
}

async function readShard({ place: folder, path }: RunFolder, registry: Registry): Promise<Shard> {
  const place = joinPlace(folder, 'run.json');
  const content = await readRunRecord(path);
  if (content === undefined) {
    throw new OptionError(
      `${folder} is not the folder of a run: it has no run.json that can be read. Give the output folders of runs ` +
        'with --shard.',
    );
  }
  const { data: record, error } = shardRecord.safeParse(content);
  if (!record) {
    const [{ path, message }] = error.issues;
    throw new OptionError(`${place}: ${path.join('.')}: ${message}. Was it written by a run of voxstream?`);
  }
  const cases = await readCaseList(path);
  if (!record.shard || !cases) {
    throw new OptionError(
      `${place} is not of a shard, so the order of its cases among the others is unknown. Run each part with ` +
        '--shard I/N.',
    );
  }
  const finished = await new Journal(path).read(metricFinder(registry));
  const listed = new Set(cases);
  for (const id of finished.keys()) if (!listed.has(id)) finished.delete(id);
  return { folder, path, record, ...record.shard, cases, finished, failures: await readFailures(path) };
}

/** Throws OptionError if two shards are not of the same run. */
function checkTogether(first: Shard, other: Shard): void {
  const refuse = (reason: string) => {
    throw new OptionError(`${first.folder} and ${other.folder} do not belong together: ${reason}`);
  };
  const [a, b] = [first.record, other.record];
  if (first.count !== other.count) {
    refuse(`one is a part of ${first.count}, and the other one of ${other.count}.`);
  }
  if (first.index === other.index)
    refuse(`both are shard ${first.index}/${first.count}. Give each shard once.`);
  if (a.voxstream !== b.voxstream) {
    refuse(`they were made by voxstream ${a.voxstream} and ${b.voxstream}. Run all shards with one version.`);
  }
  const models = (record: ShardRecord) =>
    record.models.map(({ name, sha256 }) => `${name} (SHA-256 ${sha256.slice(0, 12)}…)`);
  if (JSON.stringify(models(a)) !== JSON.stringify(models(b))) {
    refuse(`their models differ: ${listNames(models(a))}, and ${listNames(models(b))}.`);
  }
  if (a.identity !== b.identity) refuse(`their pipelines differ${differenceOf(a, b)}.`);
  if (a.dataset !== b.dataset) {
    refuse('the lists of cases in their datasets differ. Files were added or removed between the runs.');
  }
}

/** Where two pipelines differ, as far as the records tell. */
function differenceOf({ pipeline: a }: ShardRecord, { pipeline: b }: ShardRecord): string {
  for (const part of ['steps', 'sinks'] as const) {
    for (let i = 0; i < Math.max(a[part].length, b[part].length); i++) {
      if (JSON.stringify(a[part][i]) !== JSON.stringify(b[part][i])) {
        return `: ${part.slice(0, -1)} ${i + 1} is ${show(a[part][i])} in one and ${show(b[part][i])} in the other`;
      }
    }
  }
  if (a.runtime.seed !== b.runtime.seed) return `: the seeds are ${a.runtime.seed} and ${b.runtime.seed}`;
  return ' (a model card, or a package that was given with --use)';
}

/** Throws OptionError if shards are missing or unfinished. */
function checkComplete(shards: readonly Shard[]): void {
  const [{ count }] = shards;
  const given = new Set(shards.map(({ index }) => index));
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !given.has(index));
  if (missing.length > 0) {
    throw new OptionError(
      `Shard ${listNames(missing.slice(0, 10).map(String))}${missing.length > 10 ? ' and others' : ''} of ${count} ` +
        `${missing.length === 1 ? 'is' : 'are'} missing. Give all folders, or --partial to merge without them.`,
    );
  }
  for (const { folder, index, record, cases, finished, failures } of shards) {
    const open = cases.length - finished.size - failures.length;
    if (record.seconds !== undefined && !record.interrupted && open <= 0) continue;
    throw new OptionError(
      `${folder} (shard ${index}/${count}) is unfinished: ${Math.max(open, 0)} of ${cases.length} case(s) are open. ` +
        'Continue it with --resume, or give --partial to merge what is there.',
    );
  }
}

/** The cases of all shards in dataset order: shard I of N has every N-th case, from the I-th on. */
function interleave(shards: readonly Shard[]): string[] {
  const longest = Math.max(...shards.map(({ cases }) => cases.length));
  return Array.from({ length: longest }, (_, i) =>
    shards.flatMap(({ cases }) => cases.slice(i, i + 1)),
  ).flat();
}

/** Builds a sink from its description in run.json. */
function configureSink(
  { id, ...described }: z.infer<typeof choice>,
  registry: Registry,
  folder: string,
): AssembledSink {
  const [[name, options]] = Object.entries(described);
  const place = `${joinPlace(folder, 'run.json')}: the sink ${show(name)}`;
  const definition = registry.sinks.get(name);
  if (!definition) {
    const clause = unknownDefinition('sink', name, registry.sinks);
    throw new OptionError(`${place} is unknown: ${clause} Give the package that defines it with --use.`);
  }
  const { built, faults } = definition.configure(revealEnvironment(options));
  if (!built) throw new OptionError(`${place}: ${faults.map((fault) => sayFault(name, fault)).join(' ')}`);
  return { id: typeof id === 'string' ? id : name, built };
}

/** The facts of a run.json without those that only one shard had. */
function withoutOutcome(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const outcome = ['done', 'failed', 'skipped', 'interrupted', 'lanes', 'columns', 'node', 'platform'];
  return Object.fromEntries(Object.entries(record).filter(([key]) => !outcome.includes(key)));
}

/** Copies the pictures that the sink report of each shard drew. */
async function copyPictures(
  { sinks }: ShardRecord['pipeline'],
  shards: readonly Shard[],
  output: string,
): Promise<void> {
  for (const { report } of sinks) {
    if (report === undefined) continue;
    const { dir } = z.object({ dir: z.string() }).parse(revealEnvironment(report));
    for (const { path } of shards) {
      const pictures = join(path, dir, casesFolder);
      await cp(pictures, join(output, dir, casesFolder), { recursive: true }).catch((error) => {
        // A shard without a finished case has none.
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }
}
