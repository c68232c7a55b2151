import { Argument, type Command } from 'commander';
import { helpTopics } from './helpTopics.js';
import { print } from './print.js';

const shells = ['bash', 'zsh', 'fish'] as const;

/** What can follow a command: its options and the commands inside of it. */
interface Completions {
  /** The words of the command, e.g. `models import`; empty for voxstream itself. */
  readonly path: string;
  readonly options: readonly Completion[];
  /** With the choices of arguments, e.g. `bash`. */
  readonly commands: readonly Completion[];
}

interface Completion {
  readonly word: string;
  readonly summary: string;
  /** The names of an option that takes a value, and its choices; without choices, files are offered. */
  readonly value?: { readonly names: readonly string[]; readonly choices: readonly string[] };
}

/**
 * Adds `voxstream completion`, which prints a script for a shell.
 *
 * @param loadAll Adds all commands to the program.
 */
export function addCompletionCommand(program: Command, loadAll: () => Promise<void>): void {
  program
    .command('completion')
    .summary('print a script for completion in a shell')
    .description(
      'Prints a script that completes commands, options and file names in a shell. See "voxstream help config" for ' +
        'where to put it.',
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action(async (shell: (typeof shells)[number]) => {
      await loadAll();
      const all = completionsOf(program, '');
      if (shell === 'fish') print(fishScript(all));
      else print(shell === 'zsh' ? zshScript(all) : bashScript(all));
    });
}

function completionsOf(command: Command, path: string): Completions[] {
  const own: Completions = {
    path,
    options: command.options.flatMap(({ long, short, description, hidden, required, argChoices }) =>
      long && !hidden
        ? [
            {
              word: long,
              summary: description,
              ...(required && {
                value: { names: [long, ...(short ? [short] : [])], choices: argChoices ?? [] },
              }),
            },
          ]
        : [],
    ),
    commands: [
      ...(path === 'help' ? helpNames(command) : []),
      ...command.commands.map((one) => ({ word: one.name(), summary: one.summary() || one.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
        argChoices.map((word) => ({ word, summary: description })),
      ),
    ],
  };
  const inner = command.commands.flatMap((one) => completionsOf(one, `${path} ${one.name()}`.trim()));
  return [own, ...inner];
}

/** What `voxstream help` takes: topics and commands. */
function helpNames({ parent }: Command): Completion[] {
  const topics = Object.entries(helpTopics).map(([word, { summary }]) => ({ word, summary }));
  const commands = (parent?.commands ?? []).map((one) => ({ word: one.name(), summary: one.summary() }));
  const isNew = ({ word }: Completion) => word !== 'help' && !Object.hasOwn(helpTopics, word);
  return [...topics, ...commands.filter(isNew)];
}

/** The cases of the words that follow an option with a value. */
const valueCases = (all: readonly Completions[]) =>
  all.flatMap(({ path, options }) =>
    options.flatMap(({ value }) =>
      value
        ? [
            `    ${value.names.map((name) => `"${path} ${name}"`).join('|')}) words='${value.choices.join(' ')}' ;;`,
          ]
        : [],
    ),
  );

const bashFunction = (all: readonly Completions[]) => `_voxstream() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
${all
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      "${path.includes(' ') ? path : ` ${path}`}") path="${path}" ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${all
  .map(
    ({ path, options, commands }) =>
      `    "${path}") words="${[...commands, ...options, { word: '--help' }].map(({ word }) => word).join(' ')}" ;;`,
  )
  .join('\n')}
  esac
  case "$path \${COMP_WORDS[COMP_CWORD - 1]}" in
${valueCases(all).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}`;

function bashScript(all: readonly Completions[]): string {
  return `# Completion of voxstream for bash.
${bashFunction(all)}
complete -o filenames -F _voxstream voxstream
`;
}

function zshScript(all: readonly Completions[]): string {
  return `# Completion of voxstream for zsh.
autoload -U +X bashcompinit && bashcompinit
${bashFunction(all)}
complete -o filenames -F _voxstream voxstream
`;
}

function fishScript(all: readonly Completions[]): string {
  const lines = all.flatMap(({ path, options, commands }) => {
    const words = path.split(' ').filter(Boolean);
    const inner = commands.map(({ word }) => word);
    const inside = words.map((word) => `__fish_seen_subcommand_from ${word}`);
    const none = inner.length > 0 ? [`not __fish_seen_subcommand_from ${inner.join(' ')}`] : [];
    const here = `-n '${[...inside, ...none].join('; and ') || 'true'}'`;
    const quoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`;
    return [
      ...commands.map(
        ({ word, summary }) => `complete -c voxstream ${here} -f -a ${word} -d ${quoted(summary)}`,
      ),
      ...options.map(
        ({ word, summary, value }) =>
          `complete -c voxstream ${here} -l ${word.slice(2)} -d ${quoted(summary)}` +
          (value ? ` -r${value.choices.length > 0 ? ` -f -a ${quoted(value.choices.join(' '))}` : ''}` : ''),
      ),
    ];
  });
  return `# Completion of voxstream for fish.\n${lines.join('\n')}\n`;
}
