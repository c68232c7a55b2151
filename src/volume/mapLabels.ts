import { allocate, type Volume, type VoxelType, voxelTypeOf, voxelTypes } from './volume.js';

/**
 * Replaces labels by others, all at once; labels that are not in the map stay. The voxel type stays if it can
 * hold the new labels, else it becomes the smallest that can. Names are kept, except those of merged labels.
 */
export function mapLabels(volume: Volume, map: Readonly<Record<number, number>>): Volume {
  const target = new Map(Object.entries(map).map(([from, to]) => [Number(from), to]));
  const data = allocate(typeToHold(voxelTypeOf(volume.data), [...target.values()]), volume.data.length);
  let last = Number.NaN;
  let mapped = Number.NaN;
  for (let i = 0; i < data.length; i++) {
    const value = volume.data[i];
    if (value !== last) {
      last = value;
      mapped = target.get(value) ?? value;
    }
    data[i] = mapped;
  }
  if (!volume.labelNames) return { ...volume, data };
  const names = new Map<number, string | undefined>();
  for (const [label, name] of Object.entries(volume.labelNames)) {
    const to = target.get(Number(label)) ?? Number(label);
    names.set(to, names.has(to) && names.get(to) !== name ? undefined : name);
  }
  const labelNames = Object.fromEntries([...names].flatMap(([label, name]) => (name ? [[label, name]] : [])));
  return { ...volume, data, labelNames };
}

const typesBySize = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64'] as const;

/** The type itself if it holds the numbers, else the smallest that holds them and all that it holds. */
function typeToHold(type: VoxelType, values: readonly number[]): VoxelType {
  const holds = (candidate: VoxelType, numbers: readonly number[]) => {
    const place = new voxelTypes[candidate](1);
    return numbers.every((value) => {
      place[0] = value;
      return place[0] === value;
    });
  };
  if (holds(type, values)) return type;
  const bits = 8 * voxelTypes[type].BYTES_PER_ELEMENT;
  const extreme = type.startsWith('u') ? 2 ** bits - 1 : -(2 ** (bits - 1));
  return typesBySize.find((candidate) => holds(candidate, [...values, extreme])) ?? 'float64';
}
