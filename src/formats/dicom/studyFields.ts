import type { DataSet } from 'dicom-parser';
import { textOf } from './values.js';

/**
 * What objects of one study have in common, by keyword. A value that the source lacks, or has wrong, is
 * empty.
 */
export type StudyFields = Readonly<Record<(typeof fields)[number]['keyword'], string>>;

const date = /^\d{8}$/;
const time = /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/;

/**
 * Fields to copy, with what their values must look like. PS3.3 C.7.1.1, C.7.2.1, C.7.2.2; lengths from PS3.5,
 * 6.2.
 */
const fields = [
  { tag: 'x00080020', keyword: 'StudyDate', valid: date, expected: 'YYYYMMDD' },
  { tag: 'x00080030', keyword: 'StudyTime', valid: time, expected: 'HHMMSS' },
  { tag: 'x00080050', keyword: 'AccessionNumber', valid: /^[^\\]{0,16}$/, expected: 'at most 16 characters' },
  {
    tag: 'x00080090',
    keyword: 'ReferringPhysicianName',
    valid: /^[^\\]{0,64}$/,
    expected: 'at most 64 characters',
  },
  {
    tag: 'x00081030',
    keyword: 'StudyDescription',
    valid: /^[^\\]{0,64}$/,
    expected: 'at most 64 characters',
  },
  { tag: 'x00100010', keyword: 'PatientName', valid: /^[^\\]{0,64}$/, expected: 'at most 64 characters' },
  { tag: 'x00100020', keyword: 'PatientID', valid: /^[^\\]{0,64}$/, expected: 'at most 64 characters' },
  { tag: 'x00100030', keyword: 'PatientBirthDate', valid: date, expected: 'YYYYMMDD' },
  { tag: 'x00100040', keyword: 'PatientSex', valid: /^[MFO]$/, expected: 'M, F or O' },
  { tag: 'x00101010', keyword: 'PatientAge', valid: /^\d{3}[DWMY]$/, expected: 'e.g. 045Y' },
  { tag: 'x00200010', keyword: 'StudyID', valid: /^[^\\]{0,16}$/, expected: 'at most 16 characters' },
] as const;

/** Character sets that `TextDecoder` knows under other names. PS3.3, C.12.1.1.2. */
const encodings: Readonly<Record<string, string>> = {
  'ISO_IR 100': 'latin1',
  'ISO_IR 101': 'iso-8859-2',
  'ISO_IR 109': 'iso-8859-3',
  'ISO_IR 110': 'iso-8859-4',
  'ISO_IR 144': 'iso-8859-5',
  'ISO_IR 127': 'iso-8859-6',
  'ISO_IR 126': 'iso-8859-7',
  'ISO_IR 138': 'iso-8859-8',
  'ISO_IR 148': 'iso-8859-9',
  'ISO_IR 203': 'iso-8859-15',
  'ISO_IR 13': 'shift_jis',
  'ISO_IR 166': 'windows-874',
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
  GBK: 'gbk',
  'ISO 2022 IR 87': 'iso-2022-jp',
  'ISO 2022 IR 159': 'iso-2022-jp',
  'ISO 2022 IR 149': 'euc-kr',
};

/**
 * The study's fields in a source's header.
 *
 * @param warn Gets a sentence for each value that is left out or had to be guessed. It never holds the value
 * itself, which may identify a patient.
 */
export function studyFieldsOf(set: DataSet, warn: (message: string) => void): StudyFields {
  const entries = fields.map(({ tag, keyword, valid, expected }) => {
    const text = decoded(set, tag, keyword, warn);
    if (text === '' || valid.test(text)) return [keyword, text];
    warn(`its ${keyword} is not valid (expected: ${expected}) and is left out of the result.`);
    return [keyword, ''];
  });
  return Object.fromEntries(entries) as StudyFields;
}

/** An element's text, decoded by the character set that the header names. */
function decoded(set: DataSet, tag: string, keyword: string, warn: (message: string) => void): string {
  const element = set.elements[tag];
  if (textOf(set, tag) === undefined || !element) return '';
  const bytes = set.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  const ascii = bytes.every((byte) => byte < 0x80 && byte !== 0x1b);
  const sets = (textOf(set, 'x00080005') ?? '').split('\\').map((name) => name.trim());
  const named = encodings[sets.findLast((name) => name in encodings) ?? ''];
  const clean = (text: string) => text.replace(/[\0 ]+$/, '').trimStart();
  if (ascii || named) return clean(new TextDecoder(named ?? 'latin1').decode(bytes));
  warn(
    `its ${keyword} has letters beyond ASCII, but the header names no character set; UTF-8 or Latin-1 is assumed.`,
  );
  try {
    return clean(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return clean(new TextDecoder('latin1').decode(bytes));
  }
}
