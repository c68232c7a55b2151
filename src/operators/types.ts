import { z } from 'zod';
import type { Vec3 } from '../volume/volume.js';

/** A number for each axis, or one for all; becomes a list of three. */
export const perAxis = (item: z.ZodNumber) =>
  z.union([item.transform((n): Vec3 => [n, n, n]), z.tuple([item, item, item])]);

/** A number that is not infinite. */
export const number = z.number();

/** A whole number of voxels or windows. */
export const whole = z.int();

/** One value for all volumes, or a map from key to value. */
export const byKey = <T extends z.ZodType>(item: T) => z.union([item, z.record(z.string(), item)]);

/** The value of a `byKey` option for one key. */
export function forKey<T extends string | number>(
  option: T | Readonly<Record<string, T>> | undefined,
  key: string,
): T | undefined {
  return typeof option === 'object' ? option[key] : option;
}
