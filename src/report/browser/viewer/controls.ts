import type { ViewerData } from '../../browserData.js';
import { type Child, make } from '../dom.js';
import { colourOfLabel, shownLabels } from './colourTable.js';
import { startOpacity, type ViewerState, views } from './state.js';

/** Windows for CT, in HU. */
const presets = {
  'Soft tissue': [-160, 240],
  Liver: [0, 150],
  Lung: [-1350, 150],
  Bone: [-500, 1300],
} as const;

/** Controls that change the state, and what they do once they have changed it. */
export interface ControlContext {
  readonly data: ViewerData;
  readonly state: ViewerState;
  readonly apply: () => void;
}

/** Something that a control does, for the keys that do the same. */
export interface Action {
  readonly title: string;
  readonly run: () => void;
}

/** A control with its heading. */
export const group = (title: string, ...children: readonly Child[]): HTMLElement =>
  make('fieldset', {}, make('legend', {}, title), ...children);

/** The choice of the view. */
export function viewControl({ state, apply }: ControlContext): { element: HTMLElement; actions: Action[] } {
  const buttons = Object.keys(views).map((view) => {
    const pressed = String(view === state.view);
    const button = make('button', { type: 'button', 'aria-pressed': pressed }, view);
    button.addEventListener('click', () => {
      state.view = view;
      for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
      apply();
    });
    return button;
  });
  return {
    element: group('View', make('div', { class: 'choices' }, ...buttons)),
    actions: buttons.map((button) => ({ title: button.textContent!, run: () => button.click() })),
  };
}

/** The masks: on or off, how opaque, whole or as borders. `actions` are one per mask, then the borders. */
export function maskControl({ data, state, apply }: ControlContext): {
  element: HTMLElement | undefined;
  actions: Action[];
} {
  const rows = data.masks.map(({ name, title, colour }) => {
    const mask = state.masks.get(name)!;
    const box = make('input', { type: 'checkbox', id: `show-${name}`, checked: true });
    box.addEventListener('change', () => {
      mask.visible = box.checked;
      apply();
    });
    const slider = make('input', {
      ...{ type: 'range', min: '0', max: '1', step: '0.05', value: String(startOpacity) },
      'aria-label': `Opacity of ${title}`,
    });
    slider.addEventListener('input', () => {
      mask.opacity = Number(slider.value);
      apply();
    });
    // A single mask with several labels has a colour per label.
    const marks = data.masks.length > 1 || data.labels.length < 2 ? [swatch(colour)] : [];
    return { box, row: make('div', { class: 'row' }, make('label', {}, box, ...marks, title), slider) };
  });
  const outlines = make('input', { type: 'checkbox', id: 'outlines' });
  outlines.addEventListener('change', () => {
    state.outlines = outlines.checked;
    apply();
  });
  const outlineRow = make('div', { class: 'row' }, make('label', {}, outlines, 'Borders only'));
  if (rows.length === 0) return { element: undefined, actions: [] };
  return {
    element: group('Masks', ...rows.map(({ row }) => row), outlineRow),
    actions: [
      ...data.masks.map(({ title }, i) => ({ title: `${title} on or off`, run: () => rows[i].box.click() })),
      { title: 'borders only', run: () => outlines.click() },
    ],
  };
}

/** The choice of the label that is shown; undefined where there are fewer than two. */
export function labelControl(
  { data, state, apply }: ControlContext,
  goToLabel: (label: number | undefined) => void,
): HTMLElement | undefined {
  const labels = shownLabels(data);
  if (labels.length < 2) return undefined;
  const options = labels.map(({ value, name }) => make('option', { value: String(value) }, name));
  const all = make('option', { value: '' }, 'all labels');
  const list = make('select', { 'aria-label': 'Label' }, all, ...options);
  list.addEventListener('change', () => {
    state.label = list.value === '' ? undefined : Number(list.value);
    goToLabel(state.label);
    apply();
  });
  const swatches = labels.map(({ value, name }) =>
    make('span', {}, swatch(colourOfLabel(data, value)), name),
  );
  const legend = data.masks.length === 1 ? [make('div', { class: 'swatches' }, ...swatches)] : [];
  return group('Label', list, ...legend);
}

/** The values shown as black and as white; undefined where there is no image. Presets are for CT only. */
export function windowControl({ data, state, apply }: ControlContext): HTMLElement | undefined {
  if (!state.window) return undefined;
  const fields = (['black', 'white'] as const).map((name, end) => {
    const field = make('input', { type: 'number', step: 'any', 'aria-label': `Shown as ${name}` });
    field.addEventListener('change', () => {
      const [low, high] = state.window!.with(end, Number(field.value));
      if (field.value !== '' && low < high) choose([low, high]);
      else showWindow();
    });
    return field;
  });
  const showWindow = () => {
    for (const [end, field] of fields.entries()) {
      field.value = String(Number(state.window![end].toPrecision(5)));
    }
  };
  const choose = (window: readonly [number, number]) => {
    state.window = window;
    showWindow();
    apply();
  };
  showWindow();
  const buttons = Object.entries(presets).map(([name, window]) => {
    const button = make('button', { type: 'button' }, name);
    button.addEventListener('click', () => choose(window));
    return button;
  });
  // Only images that look like CT get this window; see `windowOf` in `draw.ts`.
  const isCt = data.window?.[0] === -160 && data.window[1] === 240;
  const [black, white] = fields;
  return group(
    'Window',
    make('div', { class: 'row' }, black, 'to', white),
    ...(isCt ? [make('div', { class: 'choices' }, ...buttons)] : []),
  );
}

function swatch(colour: string): HTMLElement {
  const mark = make('i');
  mark.style.background = colour;
  return mark;
}
