/** A field of a TIFF page. */
export interface TiffField {
  /** The values of an unsigned integer field; empty for other types. */
  readonly numbers: readonly number[];
  /** The value of a text field; empty for other types. */
  readonly text: string;
  readonly bytes: Buffer;
  /** The field as it stands in the page's directory. */
  readonly entry: Buffer;
}

/** The fields of a page, by number. */
export type TiffPage = ReadonlyMap<number, TiffField>;

/** Bytes of a value, by the type of a field. */
const typeBytes: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};

/** Types of unsigned integers: BYTE, SHORT, LONG, IFD, LONG8, IFD8. */
const unsignedTypes = [1, 3, 4, 13, 16, 18];
const textType = 2;

/** The order of bytes of a file, and the sizes of its offsets, fields and counts of fields. */
function formOf(bytes: Buffer) {
  const little = bytes[0] === 0x49;
  const big = (little ? bytes.readUInt16LE(2) : bytes.readUInt16BE(2)) === 43;
  const [wide, entryBytes, countBytes] = big ? [8, 20, 8] : [4, 12, 2];
  return { little, big, wide, entryBytes, countBytes };
}

/**
 * The pages of a TIFF or BigTIFF file, in order. Returns a clause that says what is wrong if the directories
 * are damaged, run in a circle, or reach beyond the end of the file.
 */
export function readTiffPages(bytes: Buffer): readonly TiffPage[] | string {
  if (bytes.length < 16) return `it has ${bytes.length} bytes`;
  const { little, big, wide, entryBytes, countBytes } = formOf(bytes);
  const unsigned = (at: number, length: number): number => {
    if (length === 8) {
      return Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
    }
    return little ? bytes.readUIntLE(at, length) : bytes.readUIntBE(at, length);
  };
  const fieldAt = (at: number): TiffField | undefined => {
    const type = unsigned(at + 2, 2);
    const count = unsigned(at + 4, wide);
    const one = typeBytes[type] ?? 1;
    const value = at + 4 + wide;
    const from = one * count > wide ? unsigned(value, wide) : value;
    if (from + one * count > bytes.length) return undefined;
    const content = bytes.subarray(from, from + one * count);
    return {
      // On demand: fields of a damaged file may share bytes, and most are never asked for.
      get numbers() {
        const whole = unsignedTypes.includes(type) ? count : 0;
        return Array.from({ length: whole }, (_, i) => unsigned(from + i * one, one));
      },
      get text() {
        return type === textType ? content.toString('latin1') : '';
      },
      bytes: content,
      entry: bytes.subarray(at, at + entryBytes),
    };
  };

  const pages: TiffPage[] = [];
  const seen = new Set<number>();
  let entries = 0;
  for (let at = unsigned(big ? 8 : 4, wide); at !== 0; ) {
    if (seen.has(at)) return 'its pages run in a circle';
    seen.add(at);
    if (at + countBytes > bytes.length) return `its page ${pages.length + 1} lies beyond the end of the file`;
    const count = unsigned(at, countBytes);
    const next = at + countBytes + count * entryBytes;
    if (next + wide > bytes.length) return `its page ${pages.length + 1} reaches beyond the end of the file`;
    entries += count;
    if (entries * entryBytes > bytes.length) return 'its pages overlap';
    const page = new Map<number, TiffField>();
    for (let entry = at + countBytes; entry < next; entry += entryBytes) {
      const field = fieldAt(entry);
      if (!field) return `a field of its page ${pages.length + 1} reaches beyond the end of the file`;
      page.set(unsigned(entry, 2), field);
    }
    pages.push(page);
    at = unsigned(next, wide);
  }
  return pages;
}

/**
 * A file with some of its pages, and some of their fields. Pixels stay where they are: the directories of the
 * pages are appended.
 */
export function withPages(bytes: Buffer, pages: readonly TiffPage[], fields: ReadonlySet<number>): Buffer {
  const { little, big, wide, countBytes } = formOf(bytes);
  const number = (value: number, length: number) => {
    const written = Buffer.alloc(length);
    if (length === 8) written[little ? 'writeBigUInt64LE' : 'writeBigUInt64BE'](BigInt(value));
    else written[little ? 'writeUIntLE' : 'writeUIntBE'](value, 0, length);
    return written;
  };
  // Directories begin at even offsets.
  const padding = Buffer.alloc(bytes.length % 2);
  let end = bytes.length + padding.length;
  const directories = pages.map((page, i) => {
    const entries = [...page].filter(([tag]) => fields.has(tag)).map(([, { entry }]) => entry);
    const content = Buffer.concat([number(entries.length, countBytes), ...entries]);
    end += content.length + wide;
    return Buffer.concat([content, number(i + 1 < pages.length ? end : 0, wide)]);
  });
  const made = Buffer.concat([bytes, padding, ...directories]);
  number(bytes.length + padding.length, wide).copy(made, big ? 8 : 4);
  return made;
}
