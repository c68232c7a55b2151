/** Transfer syntaxes with pixels that are not compressed. */
export const transferSyntaxes = {
  implicitLittle: '1.2.840.10008.1.2',
  explicitLittle: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  explicitBig: '1.2.840.10008.1.2.2',
  rle: '1.2.840.10008.1.2.5',
} as const;

const plain: Readonly<Record<string, string>> = {
  [transferSyntaxes.implicitLittle]: 'Implicit VR Little Endian',
  [transferSyntaxes.explicitLittle]: 'Explicit VR Little Endian',
  [transferSyntaxes.deflated]: 'Deflated Explicit VR Little Endian',
  [transferSyntaxes.explicitBig]: 'Explicit VR Big Endian',
};

/** Transfer syntaxes whose pixels lie in fragments. PS3.5, section 10 and annex A.4. */
const encapsulated: Readonly<Record<string, string>> = {
  [transferSyntaxes.rle]: 'RLE Lossless',
};

/** The name of a transfer syntax that can be read; undefined for others. */
export function syntaxName(uid: string): string | undefined {
  return plain[uid] ?? encapsulated[uid];
}

/** True if the pixels lie in fragments. */
export function isEncapsulated(uid: string): boolean {
  return uid in encapsulated;
}
