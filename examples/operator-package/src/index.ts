import type { Extension } from 'voxstream/author';
import { gaussianSmooth } from './gaussianSmooth.js';

export { gaussianSmooth };

const extension: Extension = { operators: [gaussianSmooth] };
export default extension;
