import { stringify } from 'yaml';
import type { Configurable } from '../options.js';
import { describeOptions } from './describe.js';
import { createRegistry, type Registry } from './registry.js';

/** An operator, source or sink as described by help texts and the reference. */
export interface Described extends Configurable {
  readonly summary: string;
  readonly mirrors?: string;
  readonly example: object;
}

/** Definitions of one kind, for help texts and the reference. */
export interface DefinitionGroup {
  readonly title: string;
  readonly definitions: readonly Described[];
  /** The key of the `train` block that selects one of them. Default: they are items of lists. */
  readonly trainKey?: string;
}

/** All definitions of a registry, by kind. */
export function groupsOf(registry: Registry): DefinitionGroup[] {
  const group = (title: string, definitions: ReadonlyMap<string, Described>, trainKey?: string) => ({
    title,
    definitions: [...definitions.values()],
    ...(trainKey && { trainKey }),
  });
  return [
    group('Sources', registry.sources),
    group('Operators', registry.operators),
    group('Sinks', registry.sinks),
    group('Networks', registry.networks, 'network'),
    group('Losses', registry.losses, 'loss'),
    group('Optimizers', registry.optimizers, 'optimizer'),
    group('Learning-rate schedules', registry.schedules, 'schedule'),
  ];
}

const flow = { collectionStyle: 'flow', lineWidth: 100, flowCollectionPadding: true } as const;

/** An example in the form of a pipeline file. */
export function exampleText({ name, example }: Described, trainKey?: string): string {
  if (trainKey) {
    const text = stringify({ [trainKey]: { [name]: example } }, flow).trim();
    return text.replace(/^\{ (\w+): (.*) \}$/s, '$1: $2');
  }
  return stringify([{ [name]: example }], flow)
    .trim()
    .replace(/^\[\s*/, '- ')
    .replace(/\s*\]$/, '')
    .replace(/^- \{ (\w+): (.*) \}$/s, '- $1: $2');
}

/** What a definition mirrors, as a sentence: a transform of MONAI unless the text names another project. */
export const mirrorsText = (mirrors: string) =>
  /^\w+'s /.test(mirrors) ? `Mirrors ${mirrors}.` : `Mirrors MONAI's ${mirrors}.`;

/** The reference of all definitions, as Markdown: `docs/operators.md`. */
export function referencePage(registry: Registry = createRegistry()): string {
  const section = ({ title, definitions, trainKey }: DefinitionGroup) =>
    `## ${title}\n\n${definitions.map((definition) => entry(definition, trainKey)).join('\n')}`;
  return (
    '# What a pipeline can contain\n\nGenerated from the definitions in `src/` by ' +
    '`node scripts/generate.mjs`. `voxstream operators NAME` prints the same text.\n\n' +
    `${groupsOf(registry).map(section).join('\n')}`
  );
}

function entry(definition: Described, trainKey?: string): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = describeOptions(definition).map(
    ({ name, type, initial, required, description }) =>
      `| \`${name}\` | ${cell(type)} | ${required ? '*required*' : initial === undefined ? '' : `\`${initial}\``} | ${cell(description)} |`,
  );
  if (definition.rest)
    rows.push(`| *any other name* | text | | ${cell(definition.rest.description ?? '')} |`);
  const table =
    rows.length > 0 ? `\n| option | takes | default | |\n|---|---|---|---|\n${rows.join('\n')}\n` : '';
  return `### ${definition.name}

${definition.summary}${definition.mirrors ? ` ${mirrorsText(definition.mirrors)}` : ''}
${table}
\`\`\`yaml
${exampleText(definition, trainKey)}
\`\`\`
`;
}
