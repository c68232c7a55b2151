/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A file with some bytes changed, cut off, taken out, or put in twice. */
export function mutate(file: Buffer, random: () => number): Buffer {
  const at = (length: number) => Math.floor(random() * length);
  const kind = at(6);
  const [from, to] = [at(file.length), at(file.length)].sort((a, b) => a - b);
  if (kind === 0) return file.subarray(0, from);
  if (kind === 1) return Buffer.concat([file.subarray(0, from), file.subarray(Math.min(to, from + 40))]);
  if (kind === 2) return Buffer.concat([file.subarray(0, Math.min(to, from + 40)), file.subarray(from)]);
  const changed = Buffer.from(file);
  // The preamble is not read, and most of what matters stands behind it.
  for (let i = 0; i <= at(4); i++)
    changed[132 + at(file.length - 132)] = at(2) ? at(256) : changed[132 + at(file.length - 132)];
  return changed;
}
