import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { readCommandLine } from '../bundle/config/commandLine.js';
import { loadBundleConfig } from '../bundle/config/load.js';
import type { Survey, surveyOf } from '../bundle/targets/survey.js';
import { messageOf, OptionError, VoxError } from '../errors.js';
import { print } from './print.js';

/** A configuration of a bundle and what it would do. */
interface Surveyed extends Survey {
  /** Its files, which are merged. */
  readonly files: readonly string[];
  /** The id that runs it: that of MONAI, or another one that bundles of the zoo use. */
  readonly id: string;
}

/** Ids that bundles of the zoo give to what they run. */
const runIds = ['run', 'inference', 'evaluating', 'evaluate', 'training', 'train'];

/** Adds `voxstream bundle info`, which says what a bundle's configurations would do here. */
export function addBundleInfoCommand(bundle: Command): void {
  bundle
    .command('info')
    .summary('print what a bundle would do, and what is missing')
    .description('Prints what the configurations of a bundle would do here, and what is missing.')
    .argument('<dir>', "the bundle's folder")
    .option('--json', 'print JSON')
    .action(async (folder: string, flags: { json?: boolean }) => {
      const surveyed = await surveyFolder(folder);
      if (flags.json) print(`${JSON.stringify(surveyed, undefined, 2)}\n`);
      else print(surveyed.map(lines).join(''));
    });
}

/** Adds `voxstream bundle verify`, which fails if a bundle's inference cannot run. */
export function addBundleVerifyCommand(bundle: Command): void {
  bundle
    .command('verify')
    .summary("check that a bundle's inference can run")
    .description("Checks that a bundle's inference can run here: its configuration, network and weights.")
    .argument('<dir>', "the bundle's folder")
    .action(async (folder: string) => {
      const inference = (await surveyFolder(folder)).filter(({ files }) =>
        /^(inference|test)\.\w+$/.test(files[0]),
      );
      if (inference.length === 0)
        throw new OptionError(`${folder} has no configs/inference.json or inference.yaml.`);
      print(inference.map(lines).join(''));
      if (inference.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
    });
}

function lines({ files, id, what, network, problems }: Surveyed): string {
  const named = id === 'run' ? '' : ` (voxstream bundle run ${id} …)`;
  const head = `${files.join(' + ')}${named}: ${problems.length > 0 ? 'does not run' : `${what ?? 'nothing'}${network ? ` with ${network}` : ''}`}\n`;
  return head + problems.map((problem) => `  ${problem}\n`).join('');
}

/**
 * Surveys the configurations of a bundle. What needs others is merged with them, as the bundles' readme files
 * say: `evaluate` is merged over `train`, and so are the ones for several GPUs and TensorRT.
 */
async function surveyFolder(folder: string): Promise<Surveyed[]> {
  const configs = join(folder, 'configs');
  if (!existsSync(configs)) throw new OptionError(`${folder} is not a bundle: it has no folder configs.`);
  const names = readdirSync(configs)
    .filter((name) => /\.(json|ya?ml)$/.test(name) && !/^(metadata|tiny|datalist)|_test\./i.test(name))
    .sort();
  const one = (pattern: RegExp) => names.find((name) => pattern.test(name));
  const sets = names.map((name) => {
    const lower = /^(multi_gpu_)?evaluate\.|^multi_gpu_train\./.test(name) ? one(/^train\./) : undefined;
    const evaluate = /^multi_gpu_evaluate\./.test(name) ? one(/^evaluate\./) : undefined;
    const inference = /^inference_trt\./.test(name) ? one(/^inference\./) : undefined;
    return [lower, evaluate, inference, name].filter((file) => file !== undefined);
  });
  const { surveyOf } = await import('../bundle/targets/survey.js');
  return sets.map((files) => ({ files, ...surveyFiles(folder, files, surveyOf) }));
}

function surveyFiles(
  folder: string,
  files: readonly string[],
  survey: typeof surveyOf,
): Survey & Pick<Surveyed, 'id'> {
  const paths = files.map((file) => join(resolve(folder), 'configs', file));
  try {
    const words = ['--config_file', JSON.stringify(paths), '--bundle_root', resolve(folder)];
    const surroundings = { environment: {}, accelerators: 0, warn: () => {}, assumeEmpty: true };
    const load = (id: string) => loadBundleConfig(readCommandLine([...words, '--run_id', id]), surroundings);
    const { topIds } = load('run');
    const id = runIds.find((one) => topIds.includes(one)) ?? 'run';
    const surveyed = survey(load(id));
    const base = `${resolve(folder)}/`;
    return { ...surveyed, id, problems: surveyed.problems.map((problem) => problem.replaceAll(base, '')) };
  } catch (error) {
    if (error instanceof VoxError)
      return { id: 'run', what: undefined, network: undefined, problems: [error.message] };
    throw new Error(`${basename(folder)}: ${messageOf(error)}`, { cause: error });
  }
}
