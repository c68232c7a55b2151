import { ModelError } from '../errors.js';

/** A model must not be run: no checksum covers its weights, or they are not what they seem. */
export class UnsafeModel extends ModelError {}
