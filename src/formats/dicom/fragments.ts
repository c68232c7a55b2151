/** Where the fragments of encapsulated pixels lie. */
interface Fragment {
  /** Of its item, from the end of the basic offset table on. */
  readonly position: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The compressed frames in encapsulated pixels. PS3.5, annex A.4: items, the first of them the basic offset
 * table, and a delimiter, without which the file is cut off.
 *
 * @param bytes From the first item to the end of the file.
 * @returns Why the pixels are damaged, as a clause that continues the file's name, if they are.
 */
export function framesOf(bytes: Buffer, frames: number): readonly Buffer[] | string {
  const damaged = (what: string) => `${what}. Copy or download it again`;
  const fragments: Fragment[] = [];
  let table: Buffer | undefined;
  let begin = 0;
  for (let at = 0; ; ) {
    if (at + 8 > bytes.length) return damaged('is cut off: its compressed pixels have no end');
    const tag = bytes.readUInt32LE(at);
    const length = bytes.readUInt32LE(at + 4);
    if (tag === 0xe0ddfffe) break;
    if (tag !== 0xe000fffe) return damaged('is damaged: an item of its compressed pixels has the wrong tag');
    const start = at + 8;
    at = start + length;
    if (at > bytes.length) return damaged('is cut off within its compressed pixels');
    if (!table) {
      table = bytes.subarray(start, at);
      begin = at;
    } else fragments.push({ position: start - 8 - begin, start, end: at });
  }
  const join = (parts: readonly Fragment[]) =>
    parts.length === 1
      ? bytes.subarray(parts[0].start, parts[0].end)
      : Buffer.concat(parts.map(({ start, end }) => bytes.subarray(start, end)));
  if (fragments.length === 0) return damaged('has no compressed pixels');
  if (frames === 1) return [join(fragments)];
  if (fragments.length === frames) return fragments.map((fragment) => join([fragment]));
  const offsets = Array.from(
    { length: (table?.length ?? 0) >> 2 },
    (_, i) => table?.readUInt32LE(4 * i) ?? 0,
  );
  const groups = offsets.map((offset, i) =>
    fragments.filter(
      ({ position }) => position >= offset && position < (offsets[i + 1] ?? Number.POSITIVE_INFINITY),
    ),
  );
  const sound =
    offsets.length === frames &&
    groups.every((group, i) => group[0]?.position === offsets[i]) &&
    groups.reduce((sum, group) => sum + group.length, 0) === fragments.length;
  return sound
    ? groups.map(join)
    : damaged(
        `holds ${fragments.length} compressed fragments, which cannot be assigned to its ${frames} frames`,
      );
}
