import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import { resamplingRule } from '../models/nnunet/card.js';
import { voxelLength } from '../optionTypes.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { spacingOf } from '../volume/affine.js';
import { statedSpacing } from '../volume/statedSpacing.js';
import {
  allocate,
  type Grid,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
  type ZoomRule,
} from '../volume/volume.js';
import {
  clipTo_,
  rangesOf,
  separateAxis,
  zoomAlong,
  zoomedGrid,
  zoomedSize,
  zoomParts,
  zoomStages,
  zoomTo,
} from '../volume/zoom.js';
import { operator } from './define.js';
import { bytesOf, foreseeVolumes, onGrid } from './forecast.js';
import { mapCase } from './map.js';
import { inParts } from './parts.js';

const zoomModule = new URL('../volume/zoom.js', import.meta.url);
const zoomAlongTask = task(zoomModule, zoomAlong);
const zoomToTask = task(zoomModule, zoomTo);
const rangesOfTask = task(zoomModule, rangesOf);
const clipTask = task(zoomModule, clipTo_);

const millimetres = voxelLength.nullable();

/**
 * Resamples an image to a voxel size as nnU-Net does, and notes how `invert` brings predictions back.
 *
 * The size becomes round(old spacing / new spacing * old size), halves to the even number. The outer faces of
 * the volumes coincide, as in scikit-image's `resize`; nothing is smoothed. A volume of that size already is
 * left as it is. If voxels are more than three times as long along one axis as along another one, before or
 * after, then the axis with the longest voxels is resampled separately, with `orderZ`. Splines
 * are clipped to the range of the image, or of each slice.
 *
 * The result is float32. `invert` uses the rule `back` on logits and probabilities, and the nearest voxel on
 * labels. Voxel sizes are those that the file states; see `statedSpacing`.
 */
export const resampleByPlans = operator({
  name: 'resampleByPlans',
  summary: 'Resamples an image to a voxel size with splines, as nnU-Net does.',
  options: {
    spacing: z
      .tuple([millimetres, millimetres, millimetres])
      .describe('Voxel size in mm along x, y and z; null leaves an axis as it is'),
    ...resamplingRule.shape,
    order: resamplingRule.shape.order.default(3).describe('0 nearest voxel, 1 linear, 3 cubic B-spline'),
    orderZ: resamplingRule.shape.orderZ
      .default(0)
      .describe('The order along the axis that is resampled separately'),
    separateZ: resamplingRule.shape.separateZ
      .default(null)
      .describe('Whether one axis is resampled separately from the others; null decides by the voxel sizes'),
    back: resamplingRule
      .default({ order: 1, orderZ: 0, separateZ: null })
      .describe('The same options for the way back to the original grid (step invert)'),
    key: z.string().min(1).default('image').describe('The volume to resample'),
  },
  example: { spacing: [0.78, 0.78, 3] },
  forecast: ({ spacing, key, order, orderZ, separateZ, back }) =>
    foreseeVolumes(
      key,
      [],
      (volume) => {
        const plan = planZoom(volume, spacingOf(volume.affine), { spacing, order, orderZ, separateZ, back });
        return plan
          ? { ...onGrid(volume, plan.grid, { step: 'zoom', back: plan.back }), bytesPerVoxel: 4 }
          : volume;
      },
      // The result of the stage before the last one, for one channel.
      (volume) => bytesOf({ ...volume, channels: 2, bytesPerVoxel: 4 }),
    ),
  create: ({ key, ...settings }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const volume = volumeOf(subject, key);
      const plan = planZoom(volume, statedSpacing(volume), settings);
      if (!plan) return subject;
      const { size, affine } = volume;
      const resampled =
        settings.order === 3
          ? await splines(context.runtime, volume, plan.grid, plan.rule)
          : await context.runtime.run(zoomToTask, volume, plan.grid, plan.rule);
      const history = [...volume.history, { step: 'zoom', from: { size, affine }, back: plan.back } as const];
      return withVolumes(subject, { [key]: { ...resampled, history } });
    }),
});

interface ZoomSettings {
  readonly spacing: readonly (number | null)[];
  readonly order: ZoomRule['order'];
  readonly orderZ: ZoomRule['orderZ'];
  readonly separateZ: boolean | null;
  readonly back: {
    readonly order: ZoomRule['order'];
    readonly orderZ: ZoomRule['orderZ'];
    readonly separateZ: boolean | null;
  };
}

interface ZoomPlan {
  readonly grid: Grid;
  readonly rule: ZoomRule;
  readonly back: ZoomRule;
}

/** How a volume with voxels of `from` mm is resampled; undefined if its size stays. */
function planZoom(volume: Grid, from: Vec3, { spacing, back, ...there }: ZoomSettings): ZoomPlan | undefined {
  const to = spacing.map((length, axis) => length ?? from[axis]) as Triple;
  const size = zoomedSize(volume.size, from, to);
  if (size.every((n, axis) => n === volume.size[axis])) return undefined;
  return {
    grid: zoomedGrid(volume, size),
    rule: ruleFor(there, from, to),
    back: ruleFor(back, to, from),
  };
}

function ruleFor({ order, orderZ, separateZ }: ZoomSettings['back'], from: Vec3, to: Vec3): ZoomRule {
  const separate = separateAxis(from, to, separateZ);
  return { order, orderZ, ...(separate !== undefined && { separate }) };
}

/** Resamples with splines on all worker threads. */
async function splines(runtime: Runtime, volume: Volume, grid: Grid, rule: ZoomRule): Promise<Volume> {
  const count = voxelCount(volume.size);
  const outCount = voxelCount(grid.size);
  const data = allocate('float32', outCount * volume.channels);
  const stages = zoomStages(volume.size, grid.size, rule);
  for (let c = 0; c < volume.channels; c++) {
    const channel = volume.data.subarray(c * count, (c + 1) * count);
    let values: VoxelArray = channel;
    for (const [i, stage] of stages.entries()) {
      const last = i === stages.length - 1;
      const from = values;
      const out = last
        ? data.subarray(c * outCount, (c + 1) * outCount)
        : allocate('float32', voxelCount(stage.next));
      await inParts(runtime, zoomParts(stage), (first, end) =>
        runtime.run(zoomAlongTask, from, stage, first, end, out),
      );
      if (stage.clips) {
        const ranges = await runtime.run(rangesOfTask, channel, volume.size, rule.separate);
        await runtime.run(clipTask, out, stage.next, rule.separate, ranges);
      }
      values = out;
    }
  }
  return { ...volume, ...grid, data };
}
