import type { Checksum } from '../../models/checksum.js';

/** A file of a bundle that can be downloaded. */
export interface RemoteFile {
  /** Its path in the bundle's folder. */
  readonly path: string;
  readonly url: string;
  readonly size?: number;
  readonly checksum?: Checksum;
  /** What states its size and checksum, for messages. */
  readonly statedBy: string;
}
