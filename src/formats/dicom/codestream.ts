/** True if a JPEG, JPEG-LS or JPEG 2000 frame ends with its end marker, FF D9; zeros may pad it. */
export function endsWithMarker(frame: Buffer): boolean {
  let end = frame.length;
  while (end > 0 && frame[end - 1] === 0) end--;
  return end >= 2 && frame[end - 2] === 0xff && frame[end - 1] === 0xd9;
}

/** The size that a JPEG, JPEG-LS or JPEG 2000 frame says it has; undefined if it is damaged. */
export function frameSize(frame: Buffer): { readonly columns: number; readonly rows: number } | undefined {
  // JPEG 2000, ISO 15444-1, annex A.5.1: the SIZ marker comes first.
  if (frame.length >= 24 && frame.readUInt32BE(0) === 0xff4fff51) {
    return {
      columns: frame.readUInt32BE(8) - frame.readUInt32BE(16),
      rows: frame.readUInt32BE(12) - frame.readUInt32BE(20),
    };
  }
  if (frame.length < 4 || frame.readUInt16BE(0) !== 0xffd8) return undefined;
  // JPEG, ISO 10918-1, annex B: segments with their lengths, among them the start of frame.
  for (let at = 2; at + 9 <= frame.length; at += 2 + frame.readUInt16BE(at + 2)) {
    if (frame[at] !== 0xff) return undefined;
    const marker = frame[at + 1];
    const startOfFrame =
      marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (startOfFrame || marker === 0xf7) {
      return { rows: frame.readUInt16BE(at + 5), columns: frame.readUInt16BE(at + 7) };
    }
  }
  return undefined;
}
