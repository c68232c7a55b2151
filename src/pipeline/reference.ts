import { stringify } from 'yaml';
import type { Configurable } from '../options.js';
import { describeOptions } from './describe.js';
import { createRegistry, type Registry } from './registry.js';

/** What help texts and the reference say of an operator, source or sink. */
export interface Described extends Configurable {
  readonly summary: string;
  readonly mirrors?: string;
  readonly example: object;
}

/** An example as it stands in a pipeline file. */
export function exampleText({ name, example }: Described): string {
  return stringify([{ [name]: example }], {
    collectionStyle: 'flow',
    lineWidth: 100,
    flowCollectionPadding: true,
  })
    .trim()
    .replace(/^\[\s*/, '- ')
    .replace(/\s*\]$/, '')
    .replace(/^- \{ (\w+): (.*) \}$/s, '- $1: $2');
}

/** The reference of all operators, sources and sinks, as Markdown: `docs/operators.md`. */
export function referencePage(registry: Registry = createRegistry()): string {
  const section = (title: string, definitions: Iterable<Described>) =>
    `## ${title}\n\n${[...definitions].map(entry).join('\n')}`;
  return `# Sources, operators and sinks

Made from the definitions in \`src/\` by \`node scripts/generate.mjs\`; \`voxstream operators NAME\` prints the same.

${section('Sources', registry.sources.values())}
${section('Operators', registry.operators.values())}
${section('Sinks', registry.sinks.values())}`;
}

function entry(definition: Described): string {
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

${definition.summary}${definition.mirrors ? ` Mirrors MONAI's ${definition.mirrors}.` : ''}
${table}
\`\`\`yaml
${exampleText(definition)}
\`\`\`
`;
}
