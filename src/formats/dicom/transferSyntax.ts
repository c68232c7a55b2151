/** Transfer syntaxes that our own code reads. */
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
  '1.2.840.10008.1.2.4.50': 'JPEG Baseline',
  '1.2.840.10008.1.2.4.51': 'JPEG Extended',
  '1.2.840.10008.1.2.4.57': 'JPEG Lossless',
  '1.2.840.10008.1.2.4.70': 'JPEG Lossless SV1',
  '1.2.840.10008.1.2.4.80': 'JPEG-LS Lossless',
  '1.2.840.10008.1.2.4.81': 'JPEG-LS Near-Lossless',
  '1.2.840.10008.1.2.4.90': 'JPEG 2000 Lossless',
  '1.2.840.10008.1.2.4.91': 'JPEG 2000',
  '1.2.840.10008.1.2.4.201': 'High-Throughput JPEG 2000 Lossless',
  '1.2.840.10008.1.2.4.202': 'High-Throughput JPEG 2000 with RPCL Lossless',
  '1.2.840.10008.1.2.4.203': 'High-Throughput JPEG 2000',
};

/** The name of a transfer syntax that can be read; undefined for others. */
export function syntaxName(uid: string): string | undefined {
  return plain[uid] ?? encapsulated[uid];
}

/** True if the pixels lie in fragments. */
export function isEncapsulated(uid: string): boolean {
  return uid in encapsulated;
}

/** True for high-throughput JPEG 2000. */
export function isHighThroughput(uid: string): boolean {
  return /^1\.2\.840\.10008\.1\.2\.4\.20[123]$/.test(uid);
}
