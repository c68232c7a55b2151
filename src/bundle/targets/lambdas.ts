/** Lambdas of the model zoo that work on voxels, by the name of the function that does the same here. */
const known = [
  [
    'bratsLabels',
    'lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, torch.where(x[[1]] > 0, 2, 0)))',
  ],
  ['identity', 'lambda x: x'],
] as const;

/** The function on voxels that a lambda stands for, or undefined if it is not a known one. */
export function knownVoxelFunction(text: string): (typeof known)[number][0] | undefined {
  const plain = (one: string) => one.replace(/\s+/g, '');
  return known.find(([, form]) => plain(form) === plain(text))?.[0];
}
