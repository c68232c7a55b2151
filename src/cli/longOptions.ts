/** Commands whose options are those of a Python program, which writes long ones with one dash. */
const pythonCommands = ['nnunet', 'totalseg'];

/**
 * The arguments of the process with two dashes before long options where nnU-Net and TotalSegmentator write
 * one: `-step_size 0.5` becomes `--step_size 0.5`. Other commands' arguments stay.
 */
export function longOptions(argv: readonly string[]): string[] {
  if (!pythonCommands.includes(argv[2])) return [...argv];
  return argv.map((word, i) => (i > 2 && /^-[a-z]\w+$/i.test(word) ? `-${word}` : word));
}
