/** Units of length by the names that headers use, in mm. */
const units: readonly [names: RegExp, mm: number][] = [
  [/^(mm|millimet(er|re)s?)$/, 1],
  [/^(um|µm|μm|microns?|micromet(er|re)s?)$/, 1e-3],
  [/^(nm|nanomet(er|re)s?)$/, 1e-6],
  [/^(cm|centimet(er|re)s?)$/, 10],
  [/^(m|met(er|re)s?)$/, 1000],
  [/^(in|inch(es)?)$/, 25.4],
];

/**
 * A unit of length that a header names, in mm. An empty or unknown one is taken as mm, the latter with a
 * note.
 */
export function unitInMm(
  name: string,
  file: string,
  field: string,
): { mm: number; notes: readonly string[] } {
  const text = name.trim().toLowerCase();
  if (text === '' || text === '?') return { mm: 1, notes: [] };
  const mm = units.find(([names]) => names.test(text))?.[1];
  if (mm === 1) return { mm, notes: [] };
  const note =
    mm === undefined
      ? `${file} is in a unit that is not known, "${name}" (${field}); it was taken as mm.`
      : `${file} is in ${name} (${field}); its voxel size and position were converted to mm.`;
  return { mm: mm ?? 1, notes: [note] };
}
