import { z } from 'zod';
import type { OptionTypes, OptionValues } from '../../options.js';

/** The options by which a DICOMweb server is named. */
export const serverOptions = {
  url: z
    .url({ protocol: /^https?$/, error: 'an address that starts with http:// or https://' })
    .describe("The server's DICOMweb services, e.g. https://pacs.example/dicom-web"),
  tokenEnv: z
    .string()
    .min(1)
    .optional()
    .describe('Environment variable that holds the bearer token, or "Basic …". Default: no authorization'),
} satisfies OptionTypes;

/** What is wrong with the options. Unlike faults of types, these sentences do not show the values. */
export function serverFaults({ url, tokenEnv }: OptionValues<typeof serverOptions>): string[] {
  const { username, password } = new URL(url);
  return [
    ...(username || password
      ? [
          'must have a url without user name and password; put "Basic …" into a variable, and name it with tokenEnv',
        ]
      : []),
    ...(tokenEnv !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(tokenEnv)
      ? ['must have the name of an environment variable as tokenEnv, e.g. PACS_TOKEN, not the token itself']
      : []),
  ];
}
