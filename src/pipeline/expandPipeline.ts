import { OptionError } from '../errors.js';
import { modelsBeside } from '../models/findModel.js';
import type { PlacedStep } from '../operators/fusion.js';
import { sayFault } from '../options.js';
import type { Pipeline } from './types.js';

/**
 * Replaces each step of a pipeline that stands for others (`expand` of its definition) by these. Their ids
 * begin with its id unless it is the step's name: `nnunet` becomes `orient`, `inference` and so on. A
 * pipeline without such steps stays as it is.
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
  const expanded: PlacedStep[] = [];
  for (const step of steps) {
    const inner = await step.built.expand?.(modelFolders);
    if (!inner) expanded.push(step);
    for (const { definition, options: given } of inner ?? []) {
      const { options, built, faults } = definition.configure(given);
      if (!options) throw new OptionError(faults.map((fault) => sayFault(definition.name, fault)).join('\n'));
      const id = freeId(
        step.id === step.definition.name ? definition.name : `${step.id}_${definition.name}`,
        taken,
      );
      expanded.push({ id, definition, options, built });
    }
  }
  return expanded;
}

function freeId(name: string, taken: Set<string>): string {
  let id = name;
  for (let number = 2; taken.has(id); number++) id = `${name}${number}`;
  taken.add(id);
  return id;
}
