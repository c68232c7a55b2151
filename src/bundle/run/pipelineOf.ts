import { Document, isMap, isScalar, isSeq, visit } from 'yaml';
import type { EvaluationPlan } from '../targets/evaluator.js';
import type { BundleStep } from '../targets/steps.js';

/** A pipeline file, and what of the bundle has no place in one. */
export interface ConvertedPipeline {
  readonly text: string;
  /** Sentences about what is left out. */
  readonly notes: readonly string[];
}

/**
 * The evaluation of a bundle as a pipeline of voxstream.
 *
 * @param name The pipeline's name.
 * @param model The name or folder of the model that the pipeline uses.
 */
export function pipelineOf(plan: EvaluationPlan, name: string, model: string): ConvertedPipeline {
  const notes: string[] = [];
  const network = { inference: { model: '${model}', ...plan.inference } };
  const steps = [
    ...plan.before.flatMap((step) => stepOf(step, notes)),
    network,
    ...plan.after.flatMap((step) => stepOf(step, notes)),
  ];
  const saves = plan.after.flatMap((step) => (step.kind === 'save' ? [step.save] : []));
  const sinks = saves.map(({ key, postfix, separateFolder, dtype }) => ({
    nifti: { keys: key, postfix, separateFolder, ...(dtype && { dtype }) },
  }));
  if (plan.metrics.length > 0) {
    const metrics = plan.metrics.map(({ name: metric, kind }) => `${metric} (${kind})`).join(', ');
    notes.push(
      `The metrics ${metrics} are not in the pipeline: add steps such as dice, and the sinks metricsCsv and summary.`,
    );
  }
  if (saves.length > 1)
    notes.push('Files are written at the end, where MONAI writes each one between two transforms.');
  const document = {
    name,
    output: saves[0]?.folder ?? `results/${name}`,
    vars: { model },
    source: { datalist: { items: plan.cases } },
    steps,
    ...(sinks.length > 0 && { sinks }),
  };
  return { text: yamlText(document), notes };
}

/** YAML with the options of a step, and lists of numbers, on one line. */
function yamlText(content: object): string {
  const document = new Document(content);
  for (const name of ['steps', 'sinks']) {
    const list = document.get(name);
    for (const step of isSeq(list) ? list.items : []) {
      const options = isMap(step) ? step.items[0]?.value : undefined;
      if (isMap(options)) options.flow = true;
    }
  }
  visit(document, {
    Seq: (_, list) => {
      if (list.items.every(isScalar)) list.flow = true;
    },
  });
  return document.toString({ lineWidth: 110, singleQuote: true });
}

function stepOf(step: BundleStep, notes: string[]): object[] {
  switch (step.kind) {
    case 'operator':
      return [{ [step.name]: step.options }];
    case 'save':
      return [];
    case 'voxels':
      notes.push(`The function ${step.function.name} on ${step.key} has no operator and is left out.`);
      return [];
  }
}
