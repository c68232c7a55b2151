import { sliceErrors } from '../volume/sliceErrors.js';
import { type Plane, sliceOf } from '../volume/slices.js';
import { allocate, channelsOf, type Vec3, type Volume, type VoxelArray } from '../volume/volume.js';
import type { Contours } from './contourSvg.js';
import { outlines } from './outline.js';

/**
 * A mask as label maps: the volume itself, or one map per channel. `offset` added to a value of a map gives
 * the label: channels are counted from 0, but 0 is the background of a map.
 */
export interface MaskLayers {
  readonly size: Vec3;
  readonly maps: readonly VoxelArray[];
  readonly offset: 0 | -1;
}

export function layersOf(mask: Volume): MaskLayers {
  const { size, channels, data } = mask;
  if (channels === 1) return { size, maps: [data], offset: 0 };
  const maps = channelsOf(mask).map((values, channel) => {
    const map = allocate('uint16', values.length);
    for (let i = 0; i < map.length; i++) if (values[i] !== 0) map[i] = channel + 1;
    return map;
  });
  return { size, maps, offset: -1 };
}

/** The contours of a mask in slices of the same size. */
export function contoursOf({ size, maps, offset }: MaskLayers, slices: readonly Plane[]): Contours {
  const paths = new Map<number, string>();
  const [{ width, height }] = slices;
  slices.forEach((plane, place) => {
    for (const map of maps) {
      for (const [value, path] of outlines(sliceOf(map, size, plane), width, height, place * height)) {
        paths.set(value + offset, (paths.get(value + offset) ?? '') + path);
      }
    }
  });
  return { width, height: height * slices.length, paths };
}

/** By label, the wrong voxels per slice across an axis: see `sliceErrors`. */
export function layerErrors(
  { size, maps, offset }: MaskLayers,
  other: MaskLayers | undefined,
  axis: number,
): Map<number, Uint32Array> {
  const others = other?.maps.length === maps.length ? other.maps : [];
  return new Map(
    maps.flatMap((map, i) =>
      [...sliceErrors(map, others[i], size, axis)].map(
        ([value, counts]) => [value + offset, counts] as const,
      ),
    ),
  );
}
