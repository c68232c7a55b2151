import type { Command } from 'commander';
import { OptionError, unknownName } from '../errors.js';
import { helpTopics } from './helpTopics.js';
import { print } from './print.js';
import { columnLines } from './terminal.js';

/**
 * Adds `voxstream help`, which prints a topic or the help of a command.
 *
 * @param commands The names of the commands.
 * @param load Adds a command to the program.
 */
export function addHelpCommand(
  program: Command,
  commands: readonly string[],
  load: (name: string) => Promise<void>,
): void {
  program
    .helpCommand(false)
    .command('help')
    .summary('print a topic with examples')
    .description(
      'Prints a topic with examples, or the help of a command. Without a name, it lists the topics.',
    )
    .argument('[name...]', 'a topic, or a command')
    .action(async (names: string[]) => {
      const [name] = names;
      if (name === undefined) print(topicList());
      else if (names.length === 1 && Object.hasOwn(helpTopics, name)) print(`${helpTopics[name].text}\n`);
      else if (commands.includes(name)) {
        if (name !== 'help') await load(name);
        const path = names.reduce<Command | undefined>(
          (command, part) => command?.commands.find((one) => one.name() === part),
          program,
        );
        if (!path) throw new OptionError(`There is no command "voxstream ${names.join(' ')}".`);
        print(path.helpInformation());
      } else {
        throw new OptionError(
          unknownName('topic or command', name, [...new Set([...Object.keys(helpTopics), ...commands])]),
        );
      }
    });
}

function topicList(): string {
  const rows = Object.entries(helpTopics).map(([name, { summary }]) => [`  ${name}`, summary]);
  return `Topics, each with examples (voxstream help TOPIC):\n\n${columnLines(rows).join('\n')}\n
Commands and their options: voxstream --help, voxstream COMMAND --help\n`;
}
