/** The points that the page's script draws, as elements. */
const withDots = (svg: string) =>
  svg.replace(/<g class="dots" data-dots="([^"]*)"><\/g>/g, (_, list: string) =>
    list
      .split(',')
      .map((point) => {
        const [, value, x, y] = point.split(' ');
        return `<circle class="dot" cx="${x}" cy="${y}" data-value="${value}">`;
      })
      .join(''),
  );

/** The numbers of an attribute of all elements of a class, in the order in which they are drawn. */
export const numbers = (svg: string, name: string, attribute: string): number[] =>
  [...withDots(svg).matchAll(new RegExp(`<[a-z]+ class="${name}"[^>]*>`, 'g'))].map(([element]) =>
    Number(new RegExp(` ${attribute}="([^"]*)"`).exec(element)?.[1]),
  );

/** The ticks of an axis: their pixels (of x below, of y on the left) and what is written there. */
export const ticks = (svg: string, axis: 'below' | 'left'): [pixel: number, label: string][] => {
  const [anchor, coordinate] = axis === 'below' ? ['middle', 'x'] : ['end', 'y'];
  const found = svg.matchAll(
    new RegExp(`<text class="tick"([^>]*) text-anchor="${anchor}"[^>]*>([^<]*)<`, 'g'),
  );
  return [...found].map(([, place, label]) => {
    const pixel = Number(new RegExp(`\\b${coordinate}="([^"]*)"`).exec(place)![1]);
    return [axis === 'left' ? pixel - 4 : pixel, label];
  });
};

/**
 * Fails unless `pixels` are on the straight line that the ticks of an axis draw, within a tenth of a pixel or
 * so.
 */
export function onAxis(
  axis: [number, string][],
  values: readonly number[],
  pixels: readonly number[],
): boolean {
  const value = (label: string) => Number(label.replace('−', '-'));
  const [[p0, v0], [p1, v1]] = [axis[0], axis.at(-1)!];
  const [low, high] = [value(v0), value(v1)];
  return values.every((at, i) => Math.abs(p0 + ((at - low) / (high - low)) * (p1 - p0) - pixels[i]) < 0.2);
}
