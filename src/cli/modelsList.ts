import { resolve } from 'node:path';
import type { Command } from 'commander';
import { showBytes } from '../errors.js';
import { cachedModels, packageModels } from '../models/findModel.js';
import { type ListedModel, listModels } from '../models/listModels.js';
import { type RegistryEntry, readRegistry } from '../models/registry.js';
import { columnLines, painter, shortPath } from './terminal.js';

interface ListFlags {
  readonly registry?: string;
  readonly json?: boolean;
}

/** `voxstream models list`: the models that are found by name, and those that can be downloaded. */
export function addModelsListCommand(models: Command): void {
  models
    .command('list')
    .summary('list the models here, and those that can be downloaded')
    .description(
      'Lists the models that are found by name: in ./models (here), in the package, and in the cache. Then ' +
        'lists those of the registry, which "voxstream models pull" downloads.',
    )
    .option('--registry <file>', "a JSON file to use instead of the package's registry; see docs/models.md")
    .option('--json', 'print as JSON')
    .action(async ({ registry, json }: ListFlags) => {
      const listed = await listModels([resolve('models')]);
      const entries = await readRegistry(registry);
      const missing = [...entries].filter(([name]) => !listed.some((model) => model.name === name));
      const text = json ? jsonText(listed, missing) : listText(listed, missing);
      process.stdout.write(`${text}\n`);
    });
}

type Missing = readonly (readonly [name: string, entry: RegistryEntry])[];

function jsonText(listed: readonly ListedModel[], missing: Missing): string {
  const registry = missing.map(([name, entry]) => ({ name, ...entry }));
  return JSON.stringify({ models: listed, registry }, null, 2);
}

function listText(listed: readonly ListedModel[], missing: Missing): string {
  const paint = painter(process.stdout);
  const rows = [
    ['name', 'where', 'size', 'labels', ''],
    ...listed.map((model) => [
      model.name,
      model.place,
      model.size === undefined ? '' : showBytes(model.size),
      labelsOf(model.card?.labels),
      remark(model),
    ]),
    ...missing.map(([name, { size, card }]) => [
      name,
      'registry',
      size === undefined ? '' : showBytes(size),
      labelsOf(card['labels'] as Record<string, string> | undefined),
      `voxstream models pull ${name}`,
    ]),
  ];
  const [head, ...lines] = columnLines(rows);
  const [here, ours, cache] = [resolve('models'), packageModels, cachedModels()].map(shortPath);
  const more = 'TotalSegmentator: voxstream models pull totalsegmentator_TASK[_fast|_fastest]';
  const places = `here: ${here}, package: ${ours}, cache: ${cache}`;
  return [paint('bold', head), ...lines, '', more, paint('dim', places)].join('\n');
}

/** The last column: faults and remarks. */
function remark({ fault, hidden, card }: ListedModel): string {
  if (fault) return `cannot be used: ${fault}`;
  const parts = [
    card?.optimized && `for ${card.optimized.target}, ${card.optimized.precision}`,
    hidden && 'hidden by the one above',
  ];
  return parts.filter(Boolean).join('; ');
}

function labelsOf(labels: Readonly<Record<string, string>> = {}): string {
  const names = Object.entries(labels)
    .filter(([number]) => number !== '0')
    .map(([, name]) => name);
  return names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}
