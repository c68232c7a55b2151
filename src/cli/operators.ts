import type { Command } from 'commander';
import { OptionError, unknownName } from '../errors.js';
import { describeOptions } from '../pipeline/describe.js';
import { type Described, exampleText } from '../pipeline/reference.js';
import { createRegistry } from '../pipeline/registry.js';

/** `voxstream operators [NAME]`: what pipelines can name. */
export function addOperatorsCommand(program: Command): void {
  program
    .command('operators')
    .description(
      'what a pipeline can name: operators, sources and sinks, with options, defaults and examples',
    )
    .argument('[name]', 'one of them, in full')
    .action((name: string | undefined) => {
      const { operators, sources, sinks } = createRegistry();
      const groups: [string, ReadonlyMap<string, Described>][] = [
        ['Sources', sources],
        ['Operators', operators],
        ['Sinks', sinks],
      ];
      if (name === undefined) {
        process.stdout.write(groups.map(([title, group]) => list(title, [...group.values()])).join('\n'));
        return;
      }
      const found = groups.map(([, group]) => group.get(name)).find((definition) => definition !== undefined);
      if (!found) {
        const known = groups.flatMap(([, group]) => [...group.keys()]);
        throw new OptionError(unknownName('operator, source or sink', name, known));
      }
      process.stdout.write(page(found));
    });
}

function list(title: string, definitions: readonly Described[]): string {
  const width = Math.max(...definitions.map(({ name }) => name.length));
  return `${title}\n${definitions.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`).join('')}`;
}

function page(definition: Described): string {
  const { name, summary, mirrors } = definition;
  const options = describeOptions(definition);
  const lines = [`${name}: ${summary}`, ...(mirrors ? [`Mirrors MONAI's ${mirrors}.`] : []), ''];
  for (const option of options) {
    const initial = option.required
      ? 'required'
      : option.initial === undefined
        ? ''
        : `default ${option.initial}`;
    lines.push(`  ${option.name}: ${option.type}${initial && `, ${initial}`}`, `      ${option.description}`);
  }
  if (definition.rest) lines.push(`  any other name: ${definition.rest.description ?? ''}`);
  lines.push('', 'In a pipeline:', `  ${exampleText(definition).replaceAll('\n', '\n  ')}`);
  return `${lines.join('\n')}\n`;
}
