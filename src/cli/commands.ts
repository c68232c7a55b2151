import type { Command } from 'commander';

const setup = 'Help and setup:';

type Loader = () => Promise<(program: Command) => void>;

/**
 * Adds each command, by the heading that it has in the help. A command's code is loaded only if it is the one
 * that was asked for, or for the help text.
 */
const groups: Readonly<Record<string, Readonly<Record<string, Loader>>>> = {
  'Segment:': {
    segment: async () => (await import('./segment.js')).addSegmentCommand,
    run: async () => (await import('./run.js')).addRunCommand,
    nnunet: async () => (await import('./nnunet.js')).addNnunetCommand,
    totalseg: async () => (await import('./totalseg.js')).addTotalsegCommand,
    bundle: async () => (await import('./bundle.js')).addBundleCommand,
  },
  'Evaluate:': {
    evaluate: async () => (await import('./evaluate.js')).addEvaluateCommand,
    compare: async () => (await import('./compare.js')).addCompareCommand,
    report: async () => (await import('./report.js')).addReportCommand,
  },
  'Train:': {
    train: async () => (await import('./train.js')).addTrainCommand,
  },
  'Models, data and pipelines:': {
    models: async () => (await import('./models.js')).addModelsCommand,
    data: async () => (await import('./data.js')).addDataCommand,
    synth: async () => (await import('./synth.js')).addSynthCommand,
    validate: async () => (await import('./validate.js')).addValidateCommand,
    operators: async () => (await import('./operators.js')).addOperatorsCommand,
    schema: async () => (await import('./schema.js')).addSchemaCommand,
  },
  'Several machines:': {
    merge: async () => (await import('./merge.js')).addMergeCommand,
    submit: async () => (await import('./submit.js')).addSubmitCommand,
    work: async () => (await import('./work.js')).addWorkCommand,
    status: async () => (await import('./status.js')).addStatusCommand,
    collect: async () => (await import('./collect.js')).addCollectCommand,
    pause: async () => (await import('./queueControl.js')).addPauseCommand,
    resume: async () => (await import('./queueControl.js')).addResumeCommand,
    cancel: async () => (await import('./queueControl.js')).addCancelCommand,
    retry: async () => (await import('./queueControl.js')).addRetryCommand,
    drain: async () => (await import('./queueControl.js')).addDrainCommand,
  },
  [setup]: {
    doctor: async () => (await import('./doctor.js')).addDoctorCommand,
  },
};

/** The commands of a program, of which each is loaded when it is needed. */
export interface LazyCommands {
  readonly names: readonly string[];
  /** Adds a command, unless it is there. Its errors name it. */
  load(name: string): Promise<void>;
  loadAll(): Promise<void>;
}

export function lazyCommands(program: Command): LazyCommands {
  const loadAll = async () => {
    for (const name of names) await load(name);
  };
  const ofProgram: Readonly<Record<string, Loader>> = {
    completion: async () => {
      const { addCompletionCommand } = await import('./completion.js');
      return (all) => addCompletionCommand(all, loadAll);
    },
    help: async () => {
      const { addHelpCommand } = await import('./help.js');
      return (all) => addHelpCommand(all, names, load);
    },
  };
  const headings = Object.entries({ ...groups, [setup]: { ...groups[setup], ...ofProgram } });
  const commands = Object.fromEntries(
    headings.flatMap(([heading, inside]) =>
      Object.entries(inside).map(([name, loader]) => [name, { heading, loader }] as const),
    ),
  );
  const names = Object.keys(commands);
  const load = async (name: string) => {
    if (program.commands.some((one) => one.name() === name)) return;
    const { heading, loader } = commands[name];
    (await loader())(program);
    const added = program.commands.find((one) => one.name() === name);
    if (!added) return;
    added.helpGroup(heading);
    nameInErrors(added, `voxstream ${name}`);
  };
  return { names, load, loadAll };
}

function nameInErrors(command: Command, path: string): void {
  command.showHelpAfterError(`(run "${path} --help" for its arguments and options)`);
  for (const one of command.commands) nameInErrors(one, `${path} ${one.name()}`);
}
