/** The directions along the edges of pixels: right, down, left and up. */
const letters = ['h', 'v', 'h', 'v'] as const;
const signs = [1, 1, -1, -1] as const;

/**
 * The outlines of the labels of a slice, each an SVG path in units of pixels. They follow the edges of the
 * pixels, without smoothing. Pixels that only touch at a corner are outlined separately. Label 0 has no
 * outline.
 *
 * @param labels Row by row from the top.
 * @param top The y of the first row.
 * @returns The paths by label, in increasing order of the labels.
 */
export function outlines(
  labels: ArrayLike<number>,
  width: number,
  height: number,
  top = 0,
): Map<number, string> {
  /**
   * By label: the directions in which its outline leaves each corner, as bits. The label lies on the right.
   */
  const leaving = new Map<number, Map<number, number>>();
  const stride = width + 1;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = row * width + column;
      const label = labels[at];
      if (label === 0) continue;
      const above = row > 0 && labels[at - width] === label;
      const right = column + 1 < width && labels[at + 1] === label;
      const below = row + 1 < height && labels[at + width] === label;
      const left = column > 0 && labels[at - 1] === label;
      if (above && right && below && left) continue;
      let corners = leaving.get(label);
      if (!corners) leaving.set(label, (corners = new Map()));
      const corner = row * stride + column;
      const edges = [
        [above, corner],
        [right, corner + 1],
        [below, corner + stride + 1],
        [left, corner + stride],
      ] as const;
      edges.forEach(([inside, start], direction) => {
        if (!inside) corners.set(start, (corners.get(start) ?? 0) | (1 << direction));
      });
    }
  }
  const labelsInOrder = [...leaving].sort(([a], [b]) => a - b);
  return new Map(labelsInOrder.map(([label, corners]) => [label, trace(corners, stride, top)]));
}

/** Joins edges to closed loops. The edges are used up. */
function trace(corners: Map<number, number>, stride: number, top: number): string {
  const steps = [1, stride, -1, -stride];
  let path = '';
  for (const start of corners.keys()) {
    for (let open = corners.get(start)!; open !== 0; open = corners.get(start)!) {
      path += `M${start % stride} ${top + Math.floor(start / stride)}`;
      let direction = [0, 1, 2, 3].find((one) => open & (1 << one))!;
      let at = start;
      let length = 0;
      for (;;) {
        corners.set(at, corners.get(at)! & ~(1 << direction));
        at += steps[direction];
        length++;
        if (at === start) break;
        const edges = corners.get(at)!;
        // Where two pixels touch at a corner, turning right stays at the same pixel.
        const next = [direction + 1, direction, direction + 3]
          .map((turn) => turn % 4)
          .find((turn) => edges & (1 << turn))!;
        if (next === direction) continue;
        path += letters[direction] + signs[direction] * length;
        [direction, length] = [next, 0];
      }
      path += 'z';
    }
  }
  return path;
}
