import type { PageLabel } from '../../browserData.js';
import { make } from '../dom.js';

/**
 * Buttons that choose one label, or all.
 *
 * @param coloured Whether each label has its colour.
 * @param chosen The name of the label that is chosen at first; undefined for all.
 */
export function labelPicker<Label extends PageLabel>(
  labels: readonly Label[],
  coloured: boolean,
  chosen: string | undefined,
  onChoose: (label: Label | undefined) => void,
): HTMLElement {
  const choices = [undefined, ...labels];
  const buttons = choices.map((label) => {
    const content = label ? [...(coloured ? [swatch(label.colour)] : []), label.name] : ['All labels'];
    const pressed = String(label?.name === chosen);
    const button = make('button', { type: 'button', 'aria-pressed': pressed }, ...content);
    button.addEventListener('click', () => {
      for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
      onChoose(label);
    });
    return button;
  });
  return make('div', { class: 'label-picker', role: 'group', 'aria-label': 'Label' }, ...buttons);
}

function swatch(colour: string): HTMLElement {
  const mark = make('i');
  mark.style.background = colour;
  return mark;
}
