import { listNames, show } from '../errors.js';
import { describeOptions } from './describe.js';
import { fuseSteps } from './fuse.js';
import { defaultInFlight } from './run.js';
import { isRefused, type Selection, selectCases } from './select.js';
import type { Pipeline } from './types.js';

/** What a run would do, as text: cases, steps with their options, where results go. Opens the source, reads no voxels. */
export async function planText(pipeline: Pipeline, selection: Selection): Promise<string> {
  const items = await selectCases(
    pipeline.source.definition.open(pipeline.source.options as never),
    selection,
  );
  const lines = [`Pipeline ${pipeline.name}, into ${pipeline.output}`];
  lines.push(`Source ${pipeline.source.definition.name}: ${items.length} case(s)`);
  for (const item of items.slice(0, 10)) {
    lines.push(
      isRefused(item)
        ? `  ${item.id}: refused. ${item.refused}`
        : `  ${item.id}: ${Object.keys(item.files).join(', ')}`,
    );
  }
  if (items.length > 10) lines.push(`  … and ${items.length - 10} more`);
  for (const [title, steps] of [
    ['Steps', pipeline.steps],
    ['Sinks', pipeline.sinks],
  ] as const) {
    lines.push(title);
    steps.forEach(({ id, definition, options }, i) => {
      const given = describeOptions(definition)
        .filter(({ name }) => options[name] !== undefined)
        .map(({ name }) => `${name} ${show(options[name])}`);
      const name = id === definition.name ? id : `${id} (${definition.name})`;
      lines.push(`  ${i + 1}. ${[name, given.join(', ')].filter(Boolean).join(': ')}`);
    });
  }
  const fused = fuseSteps(pipeline.steps).filter(({ steps }) => steps.length > 1);
  for (const { steps } of fused) lines.push(`One pass: ${listNames(steps)}`);
  const { device, inFlight, memory, workers } = pipeline.runtime;
  lines.push(
    `Runtime: device ${device}, ${inFlight === 'auto' ? defaultInFlight : inFlight} case(s) at once, memory ${memory}, workers ${workers}`,
  );
  return `${lines.join('\n')}\n`;
}
