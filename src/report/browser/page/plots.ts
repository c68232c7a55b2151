import { visible } from '../../../harmless.js';
import type { PageCase } from '../../browserData.js';
import { byId } from '../dom.js';

/** Fills a part of the page that is shown for the first time, and draws the points of its plots. */
export function drawPlots(part: ParentNode): void {
  for (const template of part.querySelectorAll('template')) template.replaceWith(template.content);
  for (const group of part.querySelectorAll<SVGGElement>('g[data-dots]')) {
    const points = group.dataset.dots!.split(',').map((point) => point.split(' '));
    delete group.dataset.dots;
    group.append(...points.map(circle));
  }
}

function circle([index, value, x, y, mark]: readonly string[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
  const kind = mark ? 'dot outlier' : 'dot';
  const attributes = { class: kind, cx: x, cy: y, r: '3.5', 'data-case': index, 'data-value': value };
  for (const [name, text] of Object.entries(attributes)) element.setAttribute(name, text);
  return element;
}

/** Makes each list of plots show the plot that is chosen in it. */
export function addPlotChoices(): void {
  for (const list of document.querySelectorAll<HTMLSelectElement>('select[data-choose]')) {
    list.addEventListener('change', () => {
      const panes = document.querySelectorAll<HTMLElement>(`[data-choice="${list.dataset.choose}"]`);
      panes.forEach((pane, i) => {
        pane.hidden = i !== Number(list.value);
        if (!pane.hidden) drawPlots(pane);
      });
    });
  }
}

/** Shows a tip with case and value over each point of a plot, and opens the case on a click. */
export function addPlotPoints(cases: readonly PageCase[], onOpen: (item: PageCase) => void): void {
  const tip = byId('tip');
  const pointAt = (event: Event) => {
    const point = event.target instanceof SVGElement ? event.target.dataset : {};
    if (point.case === undefined) return undefined;
    return { item: cases[Number(point.case)], value: Number(point.value) };
  };
  document.addEventListener('pointerover', (event) => {
    const point = pointAt(event);
    tip.hidden = !point;
    if (!point) return;
    tip.textContent = `${visible(point.item.id)}: ${Number(point.value.toPrecision(4))}`.replace(
      ': -',
      ': −',
    );
    const [right, bottom] = [innerWidth - tip.offsetWidth - 8, innerHeight - tip.offsetHeight - 8];
    tip.style.left = `${Math.min(event.clientX + 12, right)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, bottom)}px`;
  });
  document.addEventListener('click', (event) => {
    const point = pointAt(event);
    if (point) onOpen(point.item);
  });
}
