import { make } from '../dom.js';
import { download, fileNamePart } from './download.js';

const svgNamespace = 'http://www.w3.org/2000/svg';

/** What the page's style decides about a plot's elements. */
const properties = [
  ...['fill', 'fill-opacity', 'stroke', 'stroke-opacity', 'stroke-width', 'stroke-dasharray'],
  ...['stroke-linejoin', 'stroke-linecap', 'font-family', 'font-size', 'font-weight', 'text-anchor'],
];

/** PNGs have this many pixels per pixel of the page: about 300 dpi at the size of a column. */
const pngScale = 3;

/** Adds buttons that save the plots of a card as SVG and as PNG. */
export function addPlotExports(run: string): void {
  for (const card of document.querySelectorAll('figure.card')) {
    const buttons = make('span', { class: 'exports' });
    for (const kind of ['SVG', 'PNG'] as const) {
      const label = `Save the plot as ${kind}`;
      const button = make('button', { type: 'button', 'aria-label': label, title: label }, kind);
      button.addEventListener('click', async () => {
        const plots = [...card.querySelectorAll<SVGSVGElement>('svg.plot')].filter(
          (plot) => plot.getClientRects().length > 0,
        );
        const name = `${fileNamePart(run)}-${fileNamePart(plots[0].dataset.plot!)}`;
        const picture = joined(plots);
        if (kind === 'SVG') download(`${name}.svg`, new Blob([picture.text], { type: 'image/svg+xml' }));
        else download(`${name}.png`, await rasterized(picture));
      });
      buttons.append(button);
    }
    card.querySelector('figcaption')!.append(buttons);
  }
}

/** An SVG picture that needs no style sheet. */
interface Picture {
  readonly text: string;
  readonly width: number;
  readonly height: number;
}

/** Plots beside each other, on white, in the colours of the light theme. */
function joined(plots: readonly SVGSVGElement[]): Picture {
  const gap = 24;
  const sizes = plots.map(({ viewBox: { baseVal } }) => baseVal);
  const width = sizes.reduce((sum, size) => sum + size.width, gap * (plots.length - 1));
  const height = Math.max(...sizes.map((size) => size.height));
  const picture = document.createElementNS(svgNamespace, 'svg');
  setAttributes(picture, { xmlns: svgNamespace, viewBox: `0 0 ${width} ${height}`, width, height });
  const ground = document.createElementNS(svgNamespace, 'rect');
  setAttributes(ground, { width, height, fill: '#fff' });
  picture.append(ground);
  const { dataset } = document.documentElement;
  const theme = dataset.theme;
  // The browser does not draw before this function is done, so nobody sees the change.
  dataset.theme = 'light';
  let x = 0;
  for (const [i, plot] of plots.entries()) {
    const copy = styledCopy(plot);
    setAttributes(copy, { x, y: 0 });
    picture.append(copy);
    x += sizes[i].width + gap;
  }
  if (theme === undefined) delete dataset.theme;
  else dataset.theme = theme;
  return { text: new XMLSerializer().serializeToString(picture), width, height };
}

/** A copy of a plot whose elements have their style as attributes. */
function styledCopy(plot: SVGSVGElement): SVGSVGElement {
  const copy = plot.cloneNode(true) as SVGSVGElement;
  const [from, to] = [plot, copy].map((root) => [root, ...root.querySelectorAll('*')]);
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const property of properties) to[i].setAttribute(property, style.getPropertyValue(property));
    for (const { name } of [...to[i].attributes]) {
      if (name === 'class' || name === 'style' || name.startsWith('data-')) to[i].removeAttribute(name);
    }
  });
  return copy;
}

function setAttributes(element: Element, attributes: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

async function rasterized({ text, width, height }: Picture): Promise<Blob> {
  const image = make('img', { src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}` });
  await image.decode();
  const canvas = make('canvas');
  [canvas.width, canvas.height] = [width * pngScale, height * pngScale];
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob!), 'image/png'));
}
