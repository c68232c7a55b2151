import { datalist } from './datalist.js';
import { decathlon } from './decathlon.js';
import type { AnySource } from './define.js';
import { dicom } from './dicom.js';
import { glob } from './glob.js';
import { pairs } from './pairs.js';

/** The sources that come with voxstream. */
export const sources: readonly AnySource[] = [decathlon, glob, datalist, pairs, dicom];
