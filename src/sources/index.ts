import { bids } from './bids.js';
import { datalist } from './datalist.js';
import { decathlon } from './decathlon.js';
import type { AnySource } from './define.js';
import { dicom } from './dicom.js';
import { dicomweb } from './dicomweb.js';
import { glob } from './glob.js';
import { nnunet } from './nnunet.js';
import { nnunetImages } from './nnunetImages.js';
import { pairs } from './pairs.js';

/** The built-in sources. */
export const sources: readonly AnySource[] = [
  decathlon,
  nnunet,
  bids,
  nnunetImages,
  glob,
  datalist,
  pairs,
  dicom,
  dicomweb,
];
