/** Commands that usually run a model. */
const commands = ['run', 'segment'];

/** Options with which they do not. */
const without = ['--help', '-h', '--dry-run'];

/**
 * Whether a command line will probably run a model, judged before its command is loaded. A wrong guess costs
 * or saves time, and changes nothing else.
 */
export function runsModel([command, ...args]: readonly string[]): boolean {
  return commands.includes(command) && args.length > 0 && !args.some((arg) => without.includes(arg));
}
