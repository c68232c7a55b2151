/// <reference lib="dom" />
// The view of a case in 3D, in the browser. NiiVue comes from the server that this script came from; nothing is fetched from
// anywhere else.
import type { Niivue } from '@niivue/niivue';
import type { ViewerData } from './viewerPage.js';

const data = JSON.parse(byId('data').textContent ?? '') as ViewerData;
const status = byId('status');
const canvas = byId('view') as HTMLCanvasElement;

function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}

type Child = Node | string;

function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

try {
  const kept = localStorage.getItem('voxstream-theme');
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
} catch {
  // The browser may not allow to remember anything.
}

function tell(text: string, fault = false): void {
  status.textContent = text;
  status.classList.toggle('fault', fault);
}

/** NiiVue's numbers for what it shows. */
const views = { Axial: 0, Coronal: 1, Sagittal: 2, 'All planes': 3, '3D': 4 } as const;

const windows = {
  'Soft tissue': [-160, 240],
  Liver: [0, 150],
  Lung: [-1350, 150],
  Bone: [-500, 1300],
} as const;

/** What the user chose; all of it is applied at once by `apply`. */
const state = {
  view: 'All planes' as keyof typeof views,
  visible: new Map(data.masks.map(({ name }) => [name, true])),
  opacity: new Map(data.masks.map(({ name }) => [name, 0.55])),
  outlines: false,
  /** The label shown; undefined for all. */
  label: undefined as number | undefined,
  window: data.window ?? undefined,
};

/** Okabe and Ito 2008, without black. */
const palette = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'];

/** A label's colour: that of its mask in a comparison, and one of its own where there is but one mask. */
const colourOf = (value: number, mask: string) =>
  data.masks.length > 1
    ? mask
    : palette[data.labels.filter((one) => one.value > 0 && one.value < value).length % palette.length];

/** A mask's colours as NiiVue takes them. */
function colourTable(mask: string): { R: number[]; G: number[]; B: number[]; A: number[]; I: number[] } {
  const rows = [[0, 0, 0, 0, 0]];
  for (const { value } of data.labels) {
    const hex = colourOf(value, mask);
    const rgb = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    const shown = state.label === undefined || state.label === value;
    if (value > 0) rows.push([...rgb, shown ? 255 : 0, value]);
  }
  const column = (at: number) => rows.map((row) => row[at]);
  return { R: column(0), G: column(1), B: column(2), A: column(3), I: column(4) };
}

async function start(): Promise<void> {
  const address = './niivue.js';
  const module = (await import(address)) as { Niivue: typeof Niivue };
  const nv = new module.Niivue({
    backColor: [0, 0, 0, 1],
    crosshairColor: [1, 1, 1, 0.5],
    crosshairWidthUnit: 'mm',
    crosshairGap: 8,
    fontColor: [0.86, 0.88, 0.9, 1],
    fontMinPx: 12,
    isRadiologicalConvention: true,
    sagittalNoseLeft: true,
    showAllOrientationMarkers: true,
    sliceType: 3,
    multiplanarForceRender: true,
    multiplanarLayout: 2,
    multiplanarPadPixels: 4,
    show3Dcrosshair: false,
    dragAndDropEnabled: false,
    loadingText: '',
    logLevel: 'error',
    viewModeHotKey: '',
    clipPlaneHotKey: '',
    cycleClipPlaneHotKey: '',
  });
  await nv.attachToCanvas(canvas);
  const answer = data.image === null ? undefined : await fetch(data.image);
  const problem =
    answer && !answer.ok ? `The image is not shown. ${(await answer.text()).trim()}` : undefined;
  const image = answer?.ok === true;
  const [low, high] = data.window ?? [Number.NaN, Number.NaN];
  await nv.loadVolumes([
    ...(image
      ? [
          {
            url: data.image!,
            buffer: await answer.arrayBuffer(),
            name: 'image.nii.gz',
            ...(data.window && { cal_min: low, cal_max: high }),
          },
        ]
      : []),
    ...data.masks.map(({ url, name }) => ({ url, name: `${name}.nii.gz`, opacity: 0.55 })),
  ]);
  if (nv.volumes.length === 0) {
    tell(problem ?? 'There is nothing to show of this case.', true);
    return;
  }
  const first = image ? 1 : 0;
  // In mm, but about as wide as a pixel, whatever the size of the image.
  const { dims, pixDims } = nv.volumes[0].hdr!;
  nv.opts.crosshairWidth = Math.max(...[1, 2, 3].map((axis) => dims[axis] * pixDims[axis])) / 420;
  if (image && state.window === undefined) state.window = [nv.volumes[0].cal_min!, nv.volumes[0].cal_max!];

  const masks = data.masks.map((_, i) => nv.volumes[first + i]);
  const whole = masks.map((mask) => mask.img!);
  const borders = new Map<number, (typeof whole)[number]>();
  const bordersOf = (i: number) => {
    if (!borders.has(i)) borders.set(i, borderOf(whole[i], masks[i].hdr!.dims));
    return borders.get(i)!;
  };
  const apply = () => {
    // The scene is drawn once, by updateGLVolume: without a GPU each time takes seconds.
    nv.opts.sliceType = views[state.view] as never;
    if (image && state.window) [nv.volumes[0].cal_min, nv.volumes[0].cal_max] = state.window;
    data.masks.forEach(({ name, colour }, i) => {
      masks[i].setColormapLabel(colourTable(colour));
      masks[i].opacity = state.visible.get(name) ? state.opacity.get(name)! : 0;
      masks[i].img = state.outlines ? bordersOf(i) : whole[i];
    });
    nv.updateGLVolume();
  };
  nv.onLocationChange = (place) => tell(describe(place as Place));
  const goToLabel = () => {
    if (masks.length > 0) goToMask(nv, masks.at(-1)!, whole.at(-1)!);
  };
  addControls(image, apply, goToLabel);
  goToLabel();
  apply();
  // The first place is told by moving the crosshair; without a mask it has not moved.
  if (problem) tell(problem, true);
  else if (status.textContent === 'Loading…') tell('');
  document.documentElement.dataset.ready = 'true';
}

interface Place {
  readonly mm: ArrayLike<number>;
  readonly values: readonly { readonly name: string; readonly value: number }[];
}

/** Where the crosshair is, and what is there. */
function describe({ mm, values }: Place): string {
  const [x, y, z] = [mm[0], mm[1], mm[2]];
  const side = (value: number, [up, down]: string) =>
    `${Math.abs(value).toFixed(1)} ${value < 0 ? down : up}`;
  const parts = values.map(({ name, value }) => {
    const key = name.replace('.nii.gz', '');
    if (key === 'image') return `image ${Number(value.toPrecision(6))}`;
    const label = data.labels.find((one) => one.value === value);
    return `${key} ${value === 0 ? '–' : (label?.name ?? value)}`;
  });
  return [`${side(x, 'RL')}  ${side(y, 'AP')}  ${side(z, 'SI')} mm`, ...parts].join('   ·   ');
}

/** The voxels of a label map that have a face neighbour of another label; the border of the volume is none. */
function borderOf<Voxels extends { length: number; [index: number]: number; slice(): Voxels }>(
  labels: Voxels,
  [, nx, ny, nz]: readonly number[],
): Voxels {
  const out = labels.slice();
  const steps = [1, nx, nx * ny];
  for (let z = 0, i = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, i++) {
        if (labels[i] === 0) continue;
        const differs = [x, y, z].some(
          (at, axis) =>
            (at > 0 && labels[i - steps[axis]] !== labels[i]) ||
            (at < [nx, ny, nz][axis] - 1 && labels[i + steps[axis]] !== labels[i]),
        );
        if (!differs) out[i] = 0;
      }
    }
  }
  return out;
}

/** Puts the crosshair into the middle of the reference, or of the only mask: of the label that is shown, or of all. */
function goToMask(nv: Niivue, mask: Niivue['volumes'][number], labels: ArrayLike<number>): void {
  const [, nx, ny, nz] = mask.hdr!.dims;
  const sums = [0, 0, 0];
  let count = 0;
  for (let i = 0; i < nx * ny * nz; i++) {
    if (labels[i] === 0 || (state.label !== undefined && labels[i] !== state.label)) continue;
    count++;
    sums[0] += i % nx;
    sums[1] += Math.floor(i / nx) % ny;
    sums[2] += Math.floor(i / (nx * ny));
  }
  if (count === 0) return;
  const middle = sums.map((sum) => Math.round(sum / count));
  nv.scene.crosshairPos = nv.mm2frac(mask.vox2mm(middle, mask.matRAS!) as never);
  nv.createOnLocationChange();
}

function addControls(image: boolean, apply: () => void, goToLabel: () => void): void {
  const group = (title: string, ...children: readonly Child[]) =>
    make('fieldset', {}, make('legend', {}, title), ...children);
  const controls = byId('controls');

  const viewButtons = Object.keys(views).map((name) => {
    const button = make('button', { type: 'button' }, name);
    button.addEventListener('click', () => show(name as keyof typeof views));
    return button;
  });
  const show = (view: keyof typeof views) => {
    state.view = view;
    for (const button of viewButtons) {
      button.setAttribute('aria-pressed', String(button.textContent === view));
    }
    apply();
  };
  viewButtons[3].setAttribute('aria-pressed', 'true');
  controls.append(group('View', make('div', { class: 'choices' }, ...viewButtons)));

  const boxes = new Map<string, HTMLInputElement>();
  const maskRows = data.masks.map(({ name, colour }) => {
    const box = make('input', { type: 'checkbox', id: `show-${name}` });
    box.checked = true;
    box.addEventListener('change', () => {
      state.visible.set(name, box.checked);
      apply();
    });
    boxes.set(name, box);
    const slider = make('input', { type: 'range', min: '0', max: '1', step: '0.05', value: '0.55' });
    slider.setAttribute('aria-label', `Opacity of the ${name}`);
    slider.addEventListener('input', () => {
      state.opacity.set(name, Number(slider.value));
      apply();
    });
    const mark = make('i');
    mark.style.background = colour;
    const marks = data.masks.length > 1 || data.labels.length < 2 ? [mark] : [];
    return make('div', { class: 'row' }, make('label', {}, box, ...marks, name), slider);
  });
  const outlines = make('input', { type: 'checkbox', id: 'outlines' });
  outlines.addEventListener('change', () => {
    state.outlines = outlines.checked;
    apply();
  });
  if (maskRows.length > 0) {
    const outlineRow = make('div', { class: 'row' }, make('label', {}, outlines, 'Borders only'));
    controls.append(group('Masks', ...maskRows, outlineRow));
  }
  const labels = data.labels.filter(({ value }) => value > 0);
  if (labels.length > 1) {
    const list = make('select', { 'aria-label': 'Label' }, make('option', { value: '' }, 'all labels'));
    for (const { value, name } of labels) list.append(make('option', { value: String(value) }, name));
    list.addEventListener('change', () => {
      state.label = list.value === '' ? undefined : Number(list.value);
      goToLabel();
      apply();
    });
    const swatches = labels.map(({ value, name }) => {
      const swatch = make('i');
      swatch.style.background = colourOf(value, '');
      return make('span', {}, swatch, name);
    });
    const legend = data.masks.length === 1 ? [make('div', { class: 'swatches' }, ...swatches)] : [];
    controls.append(group('Label', list, ...legend));
  }

  if (image && state.window) {
    const field = (name: string, end: 0 | 1) => {
      const input = make('input', { type: 'number', step: 'any', 'aria-label': `Shown as ${name}` });
      input.addEventListener('change', () => {
        const changed = [...state.window!] as [number, number];
        changed[end] = Number(input.value);
        if (input.value !== '' && changed[0] < changed[1]) state.window = changed;
        apply();
        showWindow();
      });
      return input;
    };
    const [black, white] = [field('black', 0), field('white', 1)];
    const showWindow = () => {
      const [low, high] = state.window!.map((value) => String(Number(value.toPrecision(5))));
      [black.value, white.value] = [low, high];
    };
    showWindow();
    // Presets are in HU: they say nothing of other images than CT.
    const presets = Object.entries(windows).map(([name, range]) => {
      const button = make('button', { type: 'button' }, name);
      button.addEventListener('click', () => {
        state.window = range;
        showWindow();
        apply();
      });
      return button;
    });
    const isCt = data.window?.[0] === -160 && data.window[1] === 240;
    controls.append(
      group(
        'Window',
        make('div', { class: 'row' }, black, 'to', white),
        ...(isCt ? [make('div', { class: 'choices' }, ...presets)] : []),
      ),
    );
  }

  const keys: readonly (readonly [string, string, () => void])[] = [
    ...viewButtons.map((button, i) => [String(i + 1), button.textContent!, () => button.click()] as const),
    ...[...boxes].map(([name, box]) => [name[0], `${name} on or off`, () => box.click()] as const),
    ['o', 'borders only', () => outlines.click()],
    ['n', 'next case', () => byId('next').click()],
    ['b', 'case before', () => byId('previous').click()],
    ['Escape', 'back to the report', () => byId('back').click()],
  ];
  document.addEventListener('keydown', (event) => {
    const inField = event.target instanceof HTMLInputElement && event.target.type === 'number';
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      inField ||
      event.target instanceof HTMLSelectElement
    )
      return;
    keys.find(([key]) => key === event.key)?.[2]();
  });
  const shown = keys.flatMap(([key, what]) => [
    make('dt', {}, key === 'Escape' ? 'Esc' : key),
    make('dd', {}, what),
  ]);
  controls.append(
    group('Keys', make('dl', {}, ...shown)),
    group(
      'Mouse',
      make(
        'dl',
        {},
        make('dt', {}, 'click'),
        make('dd', {}, 'move the crosshair'),
        make('dt', {}, 'wheel'),
        make('dd', {}, 'through the slices'),
        make('dt', {}, 'drag'),
        make('dd', {}, 'turn the 3D view'),
      ),
    ),
  );
}

start().catch((error) => tell(`The view in 3D does not work: ${(error as Error).message}`, true));
