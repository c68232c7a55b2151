import { ModelError, show } from '../../errors.js';
import { type Pickled, Tuple } from '../../onnx/checkpoint/pickled.js';
import { readPickledFile } from '../../onnx/checkpoint/readCheckpoint.js';
import type { CheckpointFacts } from './plans.js';

/**
 * What a checkpoint of nnU-Net v2 says besides its weights. Nothing in it is executed.
 *
 * @throws ModelError when it cannot be read, or is not a checkpoint of nnU-Net v2.
 */
export async function checkpointFacts(file: string): Promise<CheckpointFacts> {
  const top = await readPickledFile(file);
  const field = (value: Pickled, name: string): Pickled =>
    value instanceof Map ? value.get(name) : undefined;
  const configuration = field(field(top, 'init_args'), 'configuration');
  const trainer = field(top, 'trainer_name');
  if (typeof configuration !== 'string' || typeof trainer !== 'string') {
    throw new ModelError(
      `${file} is not a checkpoint of nnU-Net v2: init_args.configuration is ${show(configuration)} and trainer_name ` +
        `is ${show(trainer)}, but both must be texts.`,
    );
  }
  const axes = field(top, 'inference_allowed_mirroring_axes');
  const items: readonly Pickled[] = axes instanceof Tuple ? axes.items : [axes ?? []].flat();
  const mirrorAxes = items.filter((axis): axis is number => axis === 0 || axis === 1 || axis === 2);
  if (mirrorAxes.length < items.length) {
    throw new ModelError(
      `${file}: inference_allowed_mirroring_axes is ${show(items)}, but it must be some of the axes 0, 1 and 2.`,
    );
  }
  return { configuration, trainer, mirrorAxes };
}
