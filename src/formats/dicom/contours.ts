import { contours } from 'd3-contour';

/** Points in pixels; the centre of the first pixel is [0, 0]. The last point is joined to the first. */
export type Ring = readonly (readonly [x: number, y: number])[];

/**
 * The outlines of a label in a plane of pixels. They run halfway between the centres of pixels, so that the
 * centres inside are those of the label. A hole is joined to its outline by a keyhole: a channel without
 * width.
 */
export function outlinesOf(plane: ArrayLike<number>, width: number, height: number, label: number): Ring[] {
  const box = boundingBox(plane, width, height, label);
  if (!box) return [];
  // A margin of one pixel closes outlines at the box's edges as they are closed elsewhere.
  const [w, h] = [box.x1 - box.x0 + 3, box.y1 - box.y0 + 3];
  const mask = new Array<number>(w * h).fill(0);
  for (let y = box.y0; y <= box.y1; y++) {
    for (let x = box.x0; x <= box.x1; x++) {
      if (plane[y * width + x] === label) mask[(y - box.y0 + 1) * w + x - box.x0 + 1] = 1;
    }
  }
  const { coordinates } = contours().size([w, h]).contour(mask, 0.5);
  return coordinates.map(([outer, ...holes]) => {
    // d3-contour has the centre of the first pixel at [0.5, 0.5], and repeats the first point at the end.
    const toRing = (points: readonly (readonly number[])[]): Ring =>
      withoutStraightPoints(
        points.slice(0, -1).map(([x, y]) => [x - 1.5 + box.x0, y - 1.5 + box.y0] as const),
      );
    return joinHoles(toRing(outer), holes.map(toRing));
  });
}

function boundingBox(plane: ArrayLike<number>, width: number, height: number, label: number) {
  let [x0, y0, x1, y1] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (plane[y * width + x] !== label) continue;
      x0 = Math.min(x0, x);
      x1 = Math.max(x1, x);
      y0 = Math.min(y0, y);
      y1 = y;
    }
  }
  return x1 < 0 ? undefined : { x0, y0, x1, y1 };
}

/** A ring without the points that lie on a straight line between their neighbours. */
function withoutStraightPoints(ring: Ring): Ring {
  return ring.filter(([x, y], i) => {
    const [ax, ay] = ring[(i + ring.length - 1) % ring.length];
    const [bx, by] = ring[(i + 1) % ring.length];
    return (x - ax) * (by - y) !== (y - ay) * (bx - x);
  });
}

/** An outline and its holes as one ring. From each hole's leftmost point a channel leads left to the ring. */
function joinHoles(outer: Ring, holes: readonly Ring[]): Ring {
  const leftmost = (ring: Ring) => ring.reduce((best, [x], i) => (x < ring[best][0] ? i : best), 0);
  const sorted = holes
    .map((hole) => ({ hole, at: leftmost(hole) }))
    .sort((a, b) => a.hole[a.at][0] - b.hole[b.at][0]);
  let ring = outer;
  for (const { hole, at } of sorted) {
    const [x, y] = hole[at];
    let nearest: { readonly edge: number; readonly x: number } | undefined;
    for (const [edge, [ax, ay]] of ring.entries()) {
      const [bx, by] = ring[(edge + 1) % ring.length];
      if (ay === by ? ay !== y : (ay > y && by > y) || (ay < y && by < y)) continue;
      const crossing = ay === by ? Math.max(ax, bx) : ax + ((y - ay) / (by - ay)) * (bx - ax);
      if (crossing < x && (!nearest || crossing > nearest.x)) nearest = { edge, x: crossing };
    }
    // A hole lies inside of its outline, so there is an edge to its left.
    if (!nearest) throw new RangeError('A hole of a contour lies outside of it.');
    const entry = [nearest.x, y] as const;
    const around = [...hole.slice(at), ...hole.slice(0, at + 1)];
    ring = [...ring.slice(0, nearest.edge + 1), entry, ...around, entry, ...ring.slice(nearest.edge + 1)];
  }
  return ring;
}
