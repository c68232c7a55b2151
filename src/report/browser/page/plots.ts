import { visible } from '../../../harmless.js';
import type { PageCase } from '../../browserData.js';
import { byId } from '../dom.js';

/** Makes each list of plots show the plot that is chosen in it. */
export function addPlotChoices(): void {
  for (const list of document.querySelectorAll<HTMLSelectElement>('select[data-choose]')) {
    list.addEventListener('change', () => {
      const panes = document.querySelectorAll<HTMLElement>(`[data-choice="${list.dataset.choose}"]`);
      panes.forEach((pane, i) => {
        pane.hidden = i !== Number(list.value);
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
