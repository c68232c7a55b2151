import type { Command } from 'commander';
import { OptionError, unknownName } from '../errors.js';
import { describeOptions } from '../pipeline/describe.js';
import { loadRegistry } from '../pipeline/extensions.js';
import {
  type DefinitionGroup,
  type Described,
  exampleText,
  groupsOf,
  mirrorsText,
} from '../pipeline/reference.js';
import { print } from './print.js';
import { sharedOption } from './sharedOptions.js';
import { fieldLines, lineWidth, wrap } from './terminal.js';

/** Adds `voxstream operators [NAME]`, which lists what pipelines can contain. */
export function addOperatorsCommand(program: Command): void {
  program
    .command('operators')
    .summary('list what a pipeline can contain')
    .description(
      'Lists what a pipeline can contain: operators, sources, sinks and parts of a training. With a name, it prints the ' +
        'options, the defaults and an example of that one.',
    )
    .argument('[name]', 'show only this one, in full')
    .addOption(sharedOption('use'))
    .action(async (name: string | undefined, { use = [] }: { use?: readonly string[] }) => {
      const groups = groupsOf(await loadRegistry(use));
      if (name === undefined) {
        print(groups.map(list).join('\n'));
        return;
      }
      // An operator and a loss may have the same name.
      const pages = groups.flatMap(({ definitions, trainKey }) =>
        definitions.filter((one) => one.name === name).map((one) => page(one, trainKey)),
      );
      if (pages.length === 0) {
        const known = groups.flatMap(({ definitions }) => definitions.map((one) => one.name));
        throw new OptionError(unknownName('definition', name, known));
      }
      print(pages.join('\n'));
    });
}

function list({ title, definitions }: DefinitionGroup): string {
  const lines = fieldLines(definitions.map(({ name, summary }) => [name, summary]));
  return `${[title, ...lines].join('\n')}\n`;
}

function page(definition: Described, trainKey?: string): string {
  const { name, summary, mirrors } = definition;
  const options = describeOptions(definition);
  const lines = [`${name}: ${summary}`, ...(mirrors ? [mirrorsText(mirrors)] : []), ''];
  for (const option of options) {
    const initial = option.required
      ? 'required'
      : option.initial === undefined
        ? ''
        : `default ${option.initial}`;
    const text = wrap(option.description ?? '', lineWidth() - 6).map((line) => `      ${line}`);
    lines.push(`  ${option.name}: ${option.type}${initial && `, ${initial}`}`, ...text);
  }
  if (definition.rest) lines.push(`  any other name: ${definition.rest.description ?? ''}`);
  const place = trainKey ? 'In the train block of a pipeline:' : 'In a pipeline:';
  lines.push('', place, `  ${exampleText(definition, trainKey).replaceAll('\n', '\n  ')}`);
  return `${lines.join('\n')}\n`;
}
