import { datalistDefinition } from './datalist.js';
import { decathlonDefinition } from './decathlon.js';
import type { AnySourceDefinition } from './define.js';
import { globDefinition } from './glob.js';
import { pairsDefinition } from './pairs.js';

/** The sources that come with voxstream. */
export const sourceDefinitions: readonly AnySourceDefinition[] = [
  decathlonDefinition,
  globDefinition,
  datalistDefinition,
  pairsDefinition,
];
