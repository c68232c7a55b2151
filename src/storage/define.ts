/** What is known of a file without reading it. */
export interface FileInfo {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970; 0 if it is not known. */
  readonly modified: number;
  /** A text that changes if the content does, e.g. an ETag. */
  readonly tag?: string;
}

/** A file in a listing. */
export interface ListedFile extends FileInfo {
  readonly path: string;
}

/** A part of a file. */
export interface ReadRange {
  /** The first byte. */
  readonly start: number;
  /** The position after the last byte. */
  readonly end: number;
  /**
   * The tag that the file had when its size was asked for. The storage refuses to read if it has another one.
   */
  readonly tag?: string;
}

/** What is written: bytes, or the content of a file on this machine. */
export type NewContent = Uint8Array | { readonly file: string };

/**
 * A kind of place where files are, e.g. `s3://bucket/key`. Errors that may pass, e.g. a lost connection, are
 * thrown as `StorageFault` with `passing`; the callers try again. All others are sentences, too.
 */
export interface Storage {
  readonly kind: 'storage';
  /** The scheme of its addresses in lower case, e.g. `s3`. */
  readonly scheme: string;
  /** The size and state of a file; undefined if there is none. Throws for what cannot be examined. */
  readonly stat: (place: string) => Promise<FileInfo | undefined>;
  /** A part of a file, in chunks. It may end early; the rest is then asked for again. */
  readonly read: (
    place: string,
    range: ReadRange,
    signal?: AbortSignal,
  ) => Promise<AsyncIterable<Uint8Array>>;
  /**
   * All files in a folder and in the folders below it, in any order. A folder that does not exist is empty.
   * Missing if the storage has no listings, as web servers.
   */
  readonly list?: (folder: string) => AsyncIterable<ListedFile>;
  /** Writes a file that appears whole or not at all. Missing if the storage is read only. */
  readonly write?: (place: string, content: NewContent) => Promise<void>;
  /** Removes a file. It is not an error if there is none. */
  readonly remove?: (place: string) => Promise<void>;
}

/**
 * Defines a kind of place where files are.
 *
 * @example
 * export const memory = storage({ scheme: 'memory', stat, read, list, write, remove });
 * export default { storages: [memory] };
 */
export function storage(spec: Omit<Storage, 'kind'>): Storage {
  return { kind: 'storage', ...spec };
}
