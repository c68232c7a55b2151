/**
 * The borders of the labels of a slice, along the edges of its pixels, as the path of an SVG in units of pixels: exactly
 * what the label map says, without smoothing. Neighbouring edges on one line are one stroke. Outside the slice is 0.
 */
export function outlinePath(labels: ArrayLike<number>, width: number, height: number): string {
  const at = (column: number, row: number) =>
    column < 0 || row < 0 || column >= width || row >= height ? 0 : labels[row * width + column];
  let path = '';
  for (let row = 0; row <= height; row++) {
    for (let column = 0; column < width; column++) {
      const begin = column;
      while (column < width && at(column, row - 1) !== at(column, row)) column++;
      if (column > begin) path += `M${begin} ${row}h${column - begin}`;
    }
  }
  for (let column = 0; column <= width; column++) {
    for (let row = 0; row < height; row++) {
      const begin = row;
      while (row < height && at(column - 1, row) !== at(column, row)) row++;
      if (row > begin) path += `M${column} ${begin}v${row - begin}`;
    }
  }
  return path;
}
