/** Repetition time, flip angle, echo time, inversion time, field of view: up to five float32. */
const mostParameters = 20;

/** Tags of FreeSurfer (`tags.h`) whose content is not preceded by a 64-bit length. */
const tags = { oldColourTable: 1, oldUseRealRas: 2, oldTransform: 30 };

/**
 * True for what may follow the voxels of an MGH file: nothing, some of the five scan parameters, or all five
 * and then tags, each with its length, up to the end of the file or zeros. Voxels that a damaged size leaves
 * over are not of this form.
 */
export function isMghFooter(bytes: Buffer): boolean {
  if (bytes.length <= mostParameters) return bytes.length % 4 === 0;
  let at: number | undefined = mostParameters;
  while (at !== undefined && at < bytes.length) {
    if (bytes.subarray(at).every((byte) => byte === 0)) return true;
    at = tagEnd(bytes, at);
  }
  return at === bytes.length;
}

/** The end of the tag at a position; undefined if there is no such tag. */
function tagEnd(bytes: Buffer, start: number): number | undefined {
  const content = start + 4;
  if (content > bytes.length) return undefined;
  const tag = bytes.readInt32BE(start);
  if (tag === tags.oldColourTable) return colourTableEnd(bytes, content);
  if (tag === tags.oldUseRealRas) return content + 4;
  if (tag === tags.oldTransform) return textEnd(bytes, content);
  if (tag <= 0 || tag >= 1000 || content + 8 > bytes.length) return undefined;
  const length = Number(bytes.readBigInt64BE(content));
  return length >= 0 ? content + 8 + length : undefined;
}

/** The end of a text that follows its length. */
function textEnd(bytes: Buffer, at: number): number | undefined {
  if (at + 4 > bytes.length) return undefined;
  const length = bytes.readInt32BE(at);
  return length >= 0 ? at + 4 + length : undefined;
}

/**
 * The end of a colour table. Version 2 begins with -2, the number of entries, the file's name, and the number
 * of entries that follow; each is its label, its name and four numbers. Version 1 has the number of entries,
 * the file's name, and entries without labels.
 */
function colourTableEnd(bytes: Buffer, start: number): number | undefined {
  if (start + 8 > bytes.length) return undefined;
  const second = bytes.readInt32BE(start) === -2;
  const name = textEnd(bytes, second ? start + 8 : start + 4);
  if (name === undefined || name + 4 > bytes.length) return undefined;
  let count = bytes.readInt32BE(second ? name : start);
  let at: number | undefined = second ? name + 4 : name;
  for (; count > 0 && at !== undefined && at < bytes.length; count--) {
    const text = textEnd(bytes, second ? at + 4 : at);
    at = text === undefined ? undefined : text + 16;
  }
  return count === 0 ? at : undefined;
}
