import { z } from 'zod';
import { fileNameOf } from './case.js';
import type { Vec3 } from './volume/volume.js';

/** One number for all axes or one per axis; becomes a list of three. */
export const perAxis = (item: z.ZodNumber) =>
  z.union([item.transform((n): Vec3 => [n, n, n]), z.tuple([item, item, item])]);

/** The most voxels along an axis that an option may ask for. */
export const mostVoxels = 65_536;

/** A finite number. */
export const number = z.number();

/** An integer number of voxels or windows. */
export const whole = z.int();

/** One value for all volumes, or a map from key to value. */
export const byKey = <T extends z.ZodType>(item: T) => z.union([item, z.record(z.string(), item)]);

/** The value of a `byKey` option for one key. */
export function forKey<O extends string | number | Readonly<Record<string, string | number>> | undefined>(
  option: O,
  key: string,
): Exclude<O, object> | undefined {
  // The values in a map have the same type as a single value.
  return (typeof option === 'object' ? option[key] : option) as Exclude<O, object> | undefined;
}

/** Label numbers (channel numbers, if a volume has several channels): one, or a list. */
export const labelNumbers = z.union([
  z
    .int()
    .min(0)
    .transform((label): readonly number[] => [label]),
  z.array(z.int().min(0)).min(1),
]);

/** Which voxels are neighbours: those that share a face (1), an edge (2) or a corner (3). */
export const connectivity = z.union([z.literal(1), z.literal(2), z.literal(3)]);

const byteUnits = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 } as const;

/** Parses a size, e.g. `4GiB`, `4G`, `512MiB` or a number of bytes. Returns undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b)?\s*$/i.exec(text);
  if (!match) return undefined;
  return Math.round(
    Number(match[1]) * (match[2] ? byteUnits[match[2].toLowerCase() as keyof typeof byteUnits] : 1),
  );
}

/** A number of bytes, or a size as text, e.g. `4GiB`. */
export const bytesType = z.union([
  z.int().positive(),
  z.string().transform((text, context) => {
    const parsed = parseBytes(text);
    if (parsed) return parsed;
    context.addIssue({ code: 'custom', message: 'a size, e.g. 4GiB', input: text });
    return z.NEVER;
  }),
]);

/** The schema of a `keys` option. `defaults` describes the volumes that are used by default. */
export const keysType = (defaults: string) =>
  z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(`Volumes to work on. Default: ${defaults}.`);

/** A part of a file name; it may be empty. */
export const namePart = z.string().refine((text) => text === '' || fileNameOf(text) === text, {
  error: 'a part of a file name, without / \\ : * ? " < > | and control characters',
});
