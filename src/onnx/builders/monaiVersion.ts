import { z } from 'zod';

/** The version of MONAI that weights were trained with: `1.3.2`, `1.5.0+cu`, `0.9`. */
export const monaiVersion = z
  .string()
  .regex(/^\d+\.\d+/, { error: 'a version such as "1.3.2"' })
  .optional()
  .describe('Version of MONAI that the weights were trained with');

/** Whether a version is before another. A version that is not known is not. */
export function isBefore(version: string | undefined, other: string): boolean {
  if (version === undefined) return false;
  const parts = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [parts(version), parts(other)];
  for (let i = 0; i < b.length; i++) {
    if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) < b[i];
  }
  return false;
}
