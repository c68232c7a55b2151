import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { anatomyOf } from '#src/formats/dicom/anatomy.js';
import { shared, sharedPath, testNeeding } from '../../needs.js';

/** What a name stands for: `category: type, modifier; region, modifier`. */
function described(name: string): string | undefined {
  const found = anatomyOf(name);
  if (!found) return undefined;
  const { category, type, modifier, region } = found;
  const say = (...codes: readonly ({ meaning: string } | undefined)[]) =>
    codes.flatMap((code) => code?.meaning ?? []).join(', ');
  return `${category.meaning}: ${say(type, modifier)}${region ? `; ${say(region.type, region.modifier)}` : ''}`;
}

test('names stand for structures, alterations or tissues, with their side and place', () => {
  for (const [name, expected] of [
    ['spleen', 'Anatomical Structure: Spleen'],
    ['Left Kidney', 'Anatomical Structure: Kidney, Left'],
    ['rib_right_7', 'Anatomical Structure: Seventh rib, Right'],
    ['heart_atrium_left', 'Anatomical Structure: Left atrium'],
    ['kidney_cyst_left', 'Morphologically Altered Structure: Cyst; Kidney, Left'],
    ['pleural_effusion', 'Morphologically Altered Structure: Effusion; Pleural cavity'],
    ['subcutaneous_fat', 'Tissue: Subcutaneous fatty tissue'],
  ] as const)
    assert.is(described(name), expected);
});

test('names that are not in the table have no code, nor have sides of what has none', () => {
  for (const name of ['blob', '', 'left', 'kidney_left_left_x', 'cyst_left', 'constructor', 'structure 1'])
    assert.is(described(name), undefined, name);
});

testNeeding(
  shared('totalsegmentator/facts.json'),
  'all classes of TotalSegmentator have codes that are well-formed',
  () => {
    const { classes } = JSON.parse(readFileSync(sharedPath('totalsegmentator/facts.json'), 'utf8'));
    for (const task of [
      'total_v1',
      'total',
      'heartchambers_highres',
      'vertebrae_mr',
      'appendicular_bones',
      'body',
    ]) {
      const names: string[] = Object.values(classes[task]);
      const lacking = names.filter((name) => !anatomyOf(name));
      assert.equal(lacking, [], task);
      for (const name of names) {
        const { type, region } = anatomyOf(name)!;
        for (const code of [type, ...(region ? [region.type] : [])]) {
          assert.ok(hasCheckDigit(code.value), `${name}: ${code.value}`);
        }
      }
    }
  },
);

/** The last digit of a SNOMED CT identifier is a check digit by Verhoeff's algorithm. */
function hasCheckDigit(id: string): boolean {
  const rotate = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
  const permuted = (digit: number, times: number): number =>
    times === 0 ? digit : permuted(rotate[digit], times - 1);
  // Multiplication in the dihedral group of order 10.
  const multiply = (a: number, b: number) => {
    if (a < 5) return b < 5 ? (a + b) % 5 : 5 + ((a + b) % 5);
    return b < 5 ? 5 + ((a - b + 5) % 5) : (a - b + 5) % 5;
  };
  return (
    [...id].reverse().reduce((check, digit, i) => multiply(check, permuted(Number(digit), i % 8)), 0) === 0
  );
}

test('the check of digits knows right from wrong', () => {
  assert.ok(hasCheckDigit('78961009'));
  for (const wrong of ['78961008', '78960109', '123']) assert.not.ok(hasCheckDigit(wrong));
});

test.run();
