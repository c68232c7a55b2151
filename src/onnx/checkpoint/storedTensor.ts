import type { ElementType, Tensor } from '../tensor.js';

/** A tensor of a file. Its values are read when they are asked for. */
export class StoredTensor {
  constructor(
    readonly type: ElementType,
    readonly dims: readonly number[],
    /**
     * Reads the values, the last axis fastest. `name` is for messages.
     *
     * @throws ModelError when they are not in the file.
     */
    readonly read: (name: string) => Tensor,
  ) {}
}
