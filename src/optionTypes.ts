import { z } from 'zod';
import { checkPlace } from './address.js';
import { fileNameOf } from './case.js';
import { messageOf, showBytes } from './errors.js';
import { didYouMean } from './options.js';
import type { Vec3 } from './volume/volume.js';

/** One number for all axes or one per axis; becomes a list of three. */
export const perAxis = (item: z.ZodNumber) =>
  z.union([item.transform((n): Vec3 => [n, n, n]), z.tuple([item, item, item])]);

/** The error of a limit, if the intended value can be guessed: "must be at most 1 (did you mean 0.5?)". */
export const orMeant = (guess: (given: number) => string | number | undefined) => ({
  error: ({ input }: { readonly input?: unknown }) => {
    const meant = typeof input === 'number' ? guess(input) : undefined;
    return meant === undefined ? undefined : `${didYouMean}${meant}?)`;
  },
});

const percent = orMeant((given) =>
  given >= 5 && given <= 100 ? Number((given / 100).toPrecision(6)) : undefined,
);

/** A part of a whole, from 0 to 1. */
export const share = z.number().min(0).max(1, percent);

/** A part of a whole, from 0 to less than 1. */
export const shareBelowOne = z.number().min(0).lt(1, percent);

/** The most voxels along an axis that an option may ask for. */
export const mostVoxels = 65_536;

/** The largest size of a volume or window that an option may ask for, in voxels. */
const mostVoxelsTogether = 2 ** 31;

/** A position on an axis, or a size of which 0 or less has its own meaning, in voxels. */
export const axisVoxels = z.int().min(-mostVoxels).max(mostVoxels);

/** A size of which 0 or less has its own meaning, with no more voxels than memory can hold. */
export const sizePerAxis = perAxis(axisVoxels).check((context) => {
  const voxels = context.value.reduce((product, n) => product * Math.max(n, 1), 1);
  if (voxels <= mostVoxelsTogether) return;
  context.issues.push({
    code: 'custom',
    message: `a size of at most ${mostVoxelsTogether} voxels`,
    input: context.value,
  });
});

/** The largest number that float32 holds: voxels beyond it are infinite. */
const mostIntensity = (2 - 2 ** -23) * 2 ** 127;

/** An intensity, or a difference of intensities. */
export const intensity = z.number().min(-mostIntensity).max(mostIntensity);

/** A width in voxels, e.g. of a Gaussian. */
export const voxelWidth = z.number().min(0).max(1000);

const mostMm = 1000;
const fromMicrometres = orMeant((given) => (given <= mostMm * 1000 ? `${given / 1000} mm` : undefined));

/** The length of a voxel in mm. */
export const voxelLength = z.number().positive().max(mostMm, fromMicrometres);

/** A distance in mm. */
export const distance = z.number().min(0).max(mostMm, fromMicrometres);

/** The number of a label, a class or a channel: at most what label maps hold. */
export const labelNumber = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

/** A weight of one part beside others. */
export const weight = z.number().min(0).max(1e6);

/** A count of epochs, steps or cases. */
export const mostCounted = 1_000_000_000;

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
  labelNumber.transform((label): readonly number[] => [label]),
  z.array(labelNumber).min(1),
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

/** What a size of fewer than `least` bytes must be; undefined for a larger one. Small numbers may be GiB. */
export function smallSizeFault(bytes: number, least: number): string | undefined {
  if (bytes >= least) return undefined;
  return `at least ${showBytes(least)}${bytes < 2 ** 16 ? ` ${didYouMean}${bytes}GiB?)` : ''}`;
}

const mostBytes = 2 ** 50;

/** A number of bytes, or a size as text, e.g. `4GiB`: at least `least` bytes. */
export const bytesFrom = (least: number) =>
  z
    .union([
      z.int().positive().max(mostBytes),
      z.string().transform((text, context) => {
        const parsed = parseBytes(text);
        if (parsed && parsed <= mostBytes) return parsed;
        context.addIssue({ code: 'custom', message: 'a size of at most 1024TiB, e.g. 4GiB', input: text });
        return z.NEVER;
      }),
    ])
    .check(({ value, issues }) => {
      const fault = smallSizeFault(value, least);
      if (fault) issues.push({ code: 'custom', message: fault, input: value });
    });

/** A number of bytes, or a size as text, e.g. `4GiB`. */
export const bytesType = bytesFrom(1024);

/** The schema of a `keys` option. `defaults` describes the volumes that are used by default. */
export const keysType = (defaults: string) =>
  z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(`Volumes to work on. Default: ${defaults}.`);

/** A coded concept, as DICOM names structures. */
export const codeType = z.object({
  value: z.string().min(1).max(16),
  scheme: z.string().min(1).max(16).default('SCT'),
  meaning: z.string().min(1).max(64),
});

/** A part of a file name; it may be empty. */
export const namePart = z.string().refine((text) => text === '' || fileNameOf(text) === text, {
  error: 'a part of a file name, without / \\ : * ? " < > | and control characters',
});

/**
 * A path or an address, e.g. `data/set`, `s3://bucket/set` or `https://host/set.tar`. `file:` addresses
 * become paths.
 */
export const placeType = z
  .string()
  .min(1)
  .check((context) => {
    try {
      context.value = checkPlace(context.value);
    } catch (error) {
      context.issues.push({ code: 'custom', message: messageOf(error), input: context.value });
    }
  });
