/**
 * The borders between the labels of a slice, as an SVG path in units of pixels. It follows the edges of the
 * pixels, without smoothing. Neighbouring edges on one line are one stroke. Pixels outside the slice count as
 * label 0.
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
