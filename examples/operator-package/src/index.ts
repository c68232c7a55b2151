import type { Extension } from 'voxstream/author';
import { falsePositives } from './falsePositives.js';
import { gaussianSmooth } from './gaussianSmooth.js';

export { falsePositives, gaussianSmooth };

const extension: Extension = { operators: [gaussianSmooth], metrics: [falsePositives] };
export default extension;
