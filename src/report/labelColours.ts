/** The palette of Okabe and Ito (2008), without black, and then colours that differ well from it. */
const palette = [
  ...['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'],
  ...['#9acd32', '#b15dff', '#00ced1', '#ff5a5f', '#c49c94', '#7f7fff', '#ffb3d9'],
  ...['#8c6d31', '#3cb44b', '#a0a0a0', '#e377c2', '#bcbd22', '#4fd1ff'],
];

/** The colour of a label in pictures of several labels. */
export const labelColour = (value: number, values: readonly number[]): string =>
  palette[values.filter((other) => other < value).length % palette.length];
