import { OptionError } from '../errors.js';
import { modelsBeside } from '../models/findModel.js';
import type { PlacedStep } from '../operators/fusion.js';
import { sayFault } from '../options.js';
import type { Pipeline } from './types.js';

/**
 * Replaces each step of a pipeline that stands for others (`expand` of its definition) by these, which may
 * stand for others in turn. Their ids begin with its id unless it is the step's name: `nnunet` becomes
 * `orient`, `inference` and so on. A pipeline without such steps stays as it is.
 *
 * @param modelFolders Folders to look for models in, before those beside the pipeline's files and the
 * package's own.
 */
export async function expandPipeline(
  pipeline: Pipeline,
  modelFolders: readonly string[] = [],
): Promise<Pipeline> {
  const folders = [...modelFolders, ...pipeline.files.map(modelsBeside)];
  return { ...pipeline, steps: await expandSteps(pipeline.steps, folders) };
}

async function expandSteps(
  steps: readonly PlacedStep[],
  modelFolders: readonly string[],
): Promise<PlacedStep[]> {
  const taken = new Set(steps.map(({ id }) => id));
  const expand = async (step: PlacedStep): Promise<PlacedStep[]> => {
    const inner = await step.built.expand?.(modelFolders);
    if (!inner) return [step];
    const expanded: PlacedStep[] = [];
    for (const { id: own, definition, options: given } of inner) {
      const { options, built, faults } = definition.configure(given);
      if (!options) throw new OptionError(faults.map((fault) => sayFault(definition.name, fault)).join('\n'));
      const part = own ?? definition.name;
      const name = step.id === step.definition.name ? part : `${step.id}_${part}`;
      // A step that stands for others has its id only until it is replaced.
      const id = built.expand ? name : freeId(name, taken);
      expanded.push(...(await expand({ id, definition, options, built })));
    }
    return expanded;
  };
  const expanded: PlacedStep[] = [];
  for (const step of steps) expanded.push(...(await expand(step)));
  return expanded;
}

function freeId(name: string, taken: Set<string>): string {
  let id = name;
  for (let number = 2; taken.has(id); number++) id = `${name}${number}`;
  taken.add(id);
  return id;
}
