import type { Extension } from 'voxstream/author';
import { falsePositives } from './falsePositives.js';
import { gaussianBlur } from './gaussianBlur.js';

export { falsePositives, gaussianBlur };

const extension: Extension = { operators: [gaussianBlur], metrics: [falsePositives] };
export default extension;
