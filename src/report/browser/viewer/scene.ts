import type { NiiVueLocation, Niivue } from '@niivue/niivue';
import type { ViewerData } from '../../browserData.js';
import { colourTable } from './colourTable.js';
import { belongs, bordersOf, centreOf, type Size } from './labelMaps.js';
import { startOpacity, type ViewerState, views } from './state.js';

type NiivueOptions = ConstructorParameters<typeof Niivue>[0];
type NiivueVolume = Niivue['volumes'][number];

const options: NiivueOptions = {
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
};

/** A mask in NiiVue, with its voxels as they are and as borders. */
interface Mask {
  readonly volume: NiivueVolume;
  readonly colour: string;
  readonly name: string;
  readonly size: Size;
  readonly whole: NonNullable<NiivueVolume['img']>;
  borders?: NonNullable<NiivueVolume['img']>;
}

/** A case in NiiVue: its image, if it has one, and its masks over it. */
export class Scene {
  readonly #nv: Niivue;
  readonly #data: ViewerData;
  readonly #image: NiivueVolume | undefined;
  readonly #masks: readonly Mask[];

  private constructor(nv: Niivue, data: ViewerData, hasImage: boolean) {
    this.#nv = nv;
    this.#data = data;
    this.#image = hasImage ? nv.volumes[0] : undefined;
    this.#masks = data.masks.map(({ name, colour }, i) => {
      const volume = nv.volumes[i + Number(hasImage)];
      const [, x, y, z] = volume.hdr!.dims;
      return { volume, colour, name, size: [x, y, z], whole: volume.img! };
    });
    // About as wide as a pixel, whatever the size of the image. NiiVue takes mm.
    const { dims, pixDims } = nv.volumes[0].hdr!;
    nv.opts.crosshairWidth = Math.max(...[1, 2, 3].map((axis) => dims[axis] * pixDims[axis])) / 420;
  }

  /**
   * Loads a case. The scene is undefined when the case has neither an image nor masks; `problem` says why an
   * image that the case should have is missing.
   */
  static async load(
    canvas: HTMLCanvasElement,
    data: ViewerData,
  ): Promise<{ scene?: Scene; problem?: string }> {
    // The server hands NiiVue out beside this script. It is not bundled: most pages never load it.
    const address = './niivue.js';
    const module: typeof import('@niivue/niivue') = await import(address);
    const nv = new module.Niivue(options);
    await nv.attachToCanvas(canvas);
    const answer = data.image === null ? undefined : await fetch(data.image);
    const hasImage = answer?.ok === true;
    const problem =
      answer && !answer.ok ? `The image is not shown. ${(await answer.text()).trim()}` : undefined;
    const window = data.window && { cal_min: data.window[0], cal_max: data.window[1] };
    await nv.loadVolumes([
      ...(hasImage
        ? [{ url: data.image!, buffer: await answer.arrayBuffer(), name: 'image.nii.gz', ...window }]
        : []),
      ...data.masks.map(({ url, name }) => ({ url, name: `${name}.nii.gz`, opacity: startOpacity })),
    ]);
    return { scene: nv.volumes.length > 0 ? new Scene(nv, data, hasImage) : undefined, problem };
  }

  /** The values shown as black and as white; undefined when there is no image. */
  get window(): readonly [number, number] | undefined {
    return this.#image && [this.#image.cal_min!, this.#image.cal_max!];
  }

  /** Calls `tell` with the place of the crosshair and what is there, whenever it moves. */
  onMove(tell: (text: string) => void): void {
    this.#nv.onLocationChange = (place) => tell(describePlace(place as NiiVueLocation, this.#data));
  }

  /** Shows what the state says. The scene is drawn once at the end: without a GPU, drawing takes seconds. */
  apply(state: ViewerState): void {
    this.#nv.opts.sliceType = views[state.view];
    if (this.#image && state.window) [this.#image.cal_min, this.#image.cal_max] = state.window;
    for (const mask of this.#masks) {
      const { visible, opacity } = state.masks.get(mask.name)!;
      mask.volume.setColormapLabel(colourTable(this.#data, mask.colour, state.label));
      mask.volume.opacity = visible ? opacity : 0;
      if (state.outlines) mask.borders ??= bordersOf(mask.whole, mask.size);
      mask.volume.img = state.outlines ? mask.borders! : mask.whole;
    }
    this.#nv.updateGLVolume();
  }

  /**
   * Puts the crosshair at the centre of a label, or of all labels, of the reference; of the only mask where
   * there is one.
   */
  goToLabel(label: number | undefined): void {
    const mask = this.#masks.at(-1);
    const centre = mask && centreOf(mask.whole, mask.size, label, this.#data.channels);
    if (!centre) return;
    this.#nv.scene.crosshairPos = this.#nv.mm2frac(mask.volume.vox2mm(centre, mask.volume.matRAS!));
    this.#nv.createOnLocationChange();
  }
}

/** The crosshair's position in mm, with the patient's sides, and the values there. */
function describePlace({ mm, values }: NiiVueLocation, { labels, channels, masks }: ViewerData): string {
  const side = (value: number, [up, down]: string) =>
    `${Math.abs(value).toFixed(1)} ${value < 0 ? down : up}`;
  const parts = values.map(({ name, value }) => {
    const volume = name.replace('.nii.gz', '');
    if (volume === 'image') return `image ${Number(value.toPrecision(6))}`;
    const found = labels.filter((one) => belongs(value, one.value, channels)).map((one) => one.name);
    const title = masks.find((mask) => mask.name === volume)?.title ?? volume;
    return `${title} ${value === 0 ? '–' : found.join(' + ') || value}`;
  });
  const position = `${side(mm[0], 'RL')}  ${side(mm[1], 'AP')}  ${side(mm[2], 'SI')} mm`;
  return [position, ...parts].join('   ·   ');
}
