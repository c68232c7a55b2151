import { invertAffine, multiply, transformPoint } from '../volume/affine.js';
import { Random } from '../volume/random.js';
import { type Affine, allocate, makeVolume, type Vec3, type Volume, voxelCount } from '../volume/volume.js';
import { type Anatomy, drawAnatomy, rotationOf, type Shape, type Tissue, tissues } from './anatomy.js';

/** The content of a phantom's label map: only the spleen (1), or all organs, of which the spleen is 1. */
export type PhantomLabels = 'spleen' | 'organs';

export interface PhantomOptions {
  /** Whole number, 0 or more; the same seed gives the same bytes. */
  readonly seed: number;
  /** One of many independent phantoms of the same seed. Default: 0. */
  readonly index?: number;
  /** Voxels in x, y and z. Default: 128, 128, 64. */
  readonly size?: Vec3;
  /** Voxel size in mm. Default: random, so that the whole trunk fits in x and y, and 270 to 330 mm in z. */
  readonly spacing?: Vec3;
  /** Default: `spleen`. */
  readonly labels?: PhantomLabels;
}

export interface Phantom {
  /** int16, in HU. */
  readonly image: Volume;
  /** uint8, on the image's grid. */
  readonly label: Volume;
  /** Names of the label values, without the background. */
  readonly labelNames: Readonly<Record<number, string>>;
}

const organs: readonly { readonly name: string; readonly made: readonly Tissue[] }[] = [
  { name: 'spleen', made: ['spleen'] },
  { name: 'liver', made: ['liver', 'liverVessel'] },
  { name: 'kidneys', made: ['kidney', 'kidneyMedulla'] },
  { name: 'stomach', made: ['stomachWall', 'stomachContent', 'stomachGas'] },
  { name: 'aorta', made: ['aorta'] },
  { name: 'lungs', made: ['lung', 'lungVessel'] },
  { name: 'spine', made: ['vertebra', 'spinalCanal'] },
];

/** The names of a phantom's label values. */
export function phantomLabelNames(labels: PhantomLabels): Readonly<Record<number, string>> {
  const named = labels === 'spleen' ? organs.slice(0, 1) : organs;
  return Object.fromEntries(named.map(({ name }, i) => [i + 1, name]));
}

/**
 * A synthetic contrast-enhanced CT of the upper abdomen and its label map. The body and the positions, shapes
 * and HU of its organs vary with the seed (see `drawAnatomy`). The orientation is RAS or LPS; one phantom in
 * five is rotated by up to 12 degrees against the scanner's axes. The image is noisy, and blurred by the
 * scanner and the voxel size. A voxel's label is the organ at its centre.
 *
 * A field of view smaller than the trunk is moved so that it contains the spleen. A pure function of its
 * options.
 */
export function makePhantom(options: PhantomOptions): Phantom {
  const random = new Random(options.seed, options.index);
  const size = options.size ?? [128, 128, 64];
  const anatomy = drawAnatomy(random);
  const spacing = drawSpacing(random, anatomy, size);
  const grid = placeGrid(random, anatomy, size, options.spacing ?? spacing);
  const map = paintTissues(anatomy, size, grid.toBody);
  const image = makeVolume({
    data: scan(random, anatomy, map, size, grid.spacing),
    size,
    affine: grid.affine,
  });
  const labelNames = phantomLabelNames(options.labels ?? 'spleen');
  const values = tissues.map((tissue) => organs.findIndex(({ made }) => made.includes(tissue)) + 1);
  for (let id = 0; id < values.length; id++) if (!(values[id] in labelNames)) values[id] = 0;
  const labels = allocate('uint8', map.length);
  for (let i = 0; i < map.length; i++) labels[i] = values[map[i]];
  const label = makeVolume({ data: labels, size, affine: grid.affine, kind: 'label', labelNames });
  return { image, label, labelNames };
}

function drawSpacing(random: Random, anatomy: Anatomy, size: Vec3): Vec3 {
  const width = 2 * (anatomy.cavity.x + anatomy.wall + anatomy.subcutis) + random.uniform(10, 50);
  const inPlane = width / Math.min(size[0], size[1]);
  return [inPlane, inPlane, random.uniform(270, 330) / size[2]];
}

interface Placement {
  readonly spacing: Vec3;
  /** Voxel index to world mm, RAS+. All numbers are exact in float32, so that a file keeps them. */
  readonly affine: Affine;
  /** Voxel index to body mm. */
  readonly toBody: Affine;
}

function placeGrid(random: Random, anatomy: Anatomy, size: Vec3, spacing: Vec3): Placement {
  const flip = random.uniform() < 0.5 ? -1 : 1;
  const angles: Vec3 = [random.uniform(-12, 12), random.uniform(-8, 8), random.uniform(-8, 8)];
  const directions = rotationOf(random.uniform() < 0.2 ? angles : [0, 0, 0]);
  const spleen = anatomy.shapes.find(({ tissue }) => tissue === 'spleen') as Shape;
  const reach = Math.hypot(...spleen.semiAxes);
  const usual = [random.uniform(-8, 8), random.uniform(-8, 8), 20 + random.uniform(-10, 10)];
  const centre = usual.map((at, axis) => {
    // As near to the usual centre as possible with the spleen in view; centred on the spleen if it does not
    // fit.
    const slack = Math.max(0, (size[axis] * spacing[axis]) / 2 - reach);
    return Math.min(Math.max(at, spleen.centre[axis] - slack), spleen.centre[axis] + slack);
  });
  const scanner = [random.uniform(-30, 30), random.uniform(-30, 30), random.uniform(-900, 300)];
  const affine = new Array<number>(16).fill(0);
  affine[15] = 1;
  for (let row = 0; row < 3; row++) {
    let origin = centre[row] + scanner[row];
    for (let axis = 0; axis < 3; axis++) {
      const step = directions[row][axis] * spacing[axis] * (axis < 2 ? flip : 1);
      affine[4 * row + axis] = Math.fround(step);
      origin -= (step * (size[axis] - 1)) / 2;
    }
    affine[4 * row + 3] = Math.fround(origin);
  }
  const toBody = [...affine];
  for (let row = 0; row < 3; row++) toBody[4 * row + 3] -= scanner[row];
  return { spacing, affine, toBody };
}

const idOf = (tissue: Tissue) => tissues.indexOf(tissue);

/** The tissue at each voxel's centre, as its index in `tissues`; x fastest. */
function paintTissues(anatomy: Anatomy, size: Vec3, toBody: Affine): Uint8Array {
  const map = new Uint8Array(voxelCount(size));
  paintTrunk(anatomy, size, toBody, map);
  for (const shape of anatomy.shapes) paintShape(shape, size, toBody, map);
  return map;
}

function paintTrunk(anatomy: Anatomy, size: Vec3, toBody: Affine, out: Uint8Array): void {
  const { cavity, ribs } = anatomy;
  const [fat, rib, muscle, subcutis, skin] = (['fat', 'rib', 'muscle', 'subcutis', 'skin'] as const).map(
    idOf,
  );
  // True if a point is within `margin` mm of the cavity.
  const isInside = superellipsoid(cavity.exponent);
  const within = (x: number, y: number, margin: number) =>
    isInside(x / (cavity.x + margin), y / (cavity.y + margin), 0);
  const wall = anatomy.wall;
  const outside = wall + anatomy.subcutis + anatomy.skin;
  let at = 0;
  for (let k = 0; k < size[2]; k++) {
    for (let j = 0; j < size[1]; j++) {
      for (let i = 0; i < size[0]; i++, at++) {
        const x = toBody[0] * i + toBody[1] * j + toBody[2] * k + toBody[3];
        const y = toBody[4] * i + toBody[5] * j + toBody[6] * k + toBody[7];
        if (within(x, y, 0)) out[at] = fat;
        else if (within(x, y, wall)) {
          const z = toBody[8] * i + toBody[9] * j + toBody[10] * k + toBody[11];
          const along = z + ribs.slope * y + ribs.phase;
          const turn = along - Math.floor(along / ribs.pitch) * ribs.pitch;
          const bony = turn < 10 && z > ribs.lowest && y < 0.8 * cavity.y && within(x, y, 9);
          out[at] = bony ? rib : muscle;
        } else if (within(x, y, outside)) {
          out[at] = within(x, y, wall + anatomy.subcutis) ? subcutis : skin;
        }
      }
    }
  }
}

/** The test for |x|^e + |y|^e + |z|^e < 1, for e of 2 or more. */
function superellipsoid(exponent: number): (x: number, y: number, z: number) => boolean {
  // Powers are slow, and only a thin shell needs them: between the unit sphere and the one through the
  // corners.
  const reach = 3 ** (1 - 2 / exponent);
  return (x, y, z) => {
    const square = x * x + y * y + z * z;
    if (square < 1) return true;
    if (square >= reach) return false;
    return Math.abs(x) ** exponent + Math.abs(y) ** exponent + Math.abs(z) ** exponent < 1;
  };
}

function paintShape(shape: Shape, size: Vec3, toBody: Affine, out: Uint8Array): void {
  const id = idOf(shape.tissue);
  const replaced = tissues.map((tissue, i) => (shape.over ? shape.over.includes(tissue) : i >= idOf('fat')));
  // Voxel index to the shape's local coordinates, in which its half axes are 1.
  const own = new Array<number>(16).fill(0);
  own[15] = 1;
  shape.rotation.forEach((direction, axis) => {
    for (let column = 0; column < 3; column++) {
      own[4 * axis + column] = direction[column] / shape.semiAxes[axis];
      own[4 * axis + 3] -= own[4 * axis + column] * shape.centre[column];
    }
  });
  const m = multiply(own, toBody);
  const back = invertAffine(m) as Affine;
  const limit = 1 + 2 * shape.wobble + Math.abs(shape.bend);
  const other = 1 + 2 * shape.wobble;
  const low = [...size];
  const high = [-1, -1, -1];
  for (let corner = 0; corner < 8; corner++) {
    const at = transformPoint(back, [
      corner & 1 ? limit : -limit,
      corner & 2 ? other : -other,
      corner & 4 ? other : -other,
    ]);
    at.forEach((value, axis) => {
      low[axis] = Math.max(0, Math.min(low[axis], Math.floor(value)));
      high[axis] = Math.min(size[axis] - 1, Math.max(high[axis], Math.ceil(value)));
    });
  }
  const { wobble, bend, phases } = shape;
  const isInside = superellipsoid(shape.exponent);
  for (let k = low[2]; k <= high[2]; k++) {
    for (let j = low[1]; j <= high[1]; j++) {
      let at = (k * size[1] + j) * size[0] + low[0];
      let x = m[0] * low[0] + m[1] * j + m[2] * k + m[3];
      let y = m[4] * low[0] + m[5] * j + m[6] * k + m[7];
      let z = m[8] * low[0] + m[9] * j + m[10] * k + m[11];
      for (let i = low[0]; i <= high[0]; i++, at++, x += m[0], y += m[4], z += m[8]) {
        if (!replaced[out[at]] || x > limit || x < -limit) continue;
        if (y > other || y < -other || z > other || z < -other) continue;
        const u = x - bend * (0.7 * z * z + 0.3 * y * y) + 0.35 * bend;
        const a = u + wobble * (Math.sin(2.3 * y + phases[0]) + Math.sin(3.1 * z + phases[1]));
        const b = y + wobble * (Math.sin(2.3 * z + phases[2]) + Math.sin(3.1 * u + phases[3]));
        const c = z + wobble * (Math.sin(2.3 * u + phases[4]) + Math.sin(3.1 * y + phases[5]));
        if (isInside(a, b, c)) out[at] = id;
      }
    }
  }
}

/**
 * Simulates the scanner: each tissue's HU and white noise, blurred together, so that the noise is correlated
 * as in CT.
 */
function scan(random: Random, anatomy: Anatomy, map: Uint8Array, size: Vec3, spacing: Vec3): Int16Array {
  const hounsfield = tissues.map((tissue) => anatomy.hounsfield[tissue]);
  // A voxel averages over its volume (standard deviation 1/sqrt(12) of its size) and the scanner's point
  // spread.
  const kernels = spacing.map((mm) => gaussian(Math.hypot(1 / Math.sqrt(12), anatomy.blur / mm)));
  const kept = kernels.reduce((product, kernel) => product * Math.hypot(...kernel), 1);
  const white = anatomy.noise / kept;
  const values = new Float32Array(map.length);
  for (let i = 0; i < map.length; i++) values[i] = hounsfield[map[i]] + white * random.normal();
  blur_(values, size, kernels);
  const data = allocate('int16', map.length);
  for (let i = 0; i < map.length; i++) data[i] = Math.max(-1024, Math.round(values[i]));
  return data;
}

/** The weights of a Gaussian, from -3 to 3 standard deviations, as an odd list that sums to 1. */
function gaussian(deviation: number): number[] {
  const radius = Math.max(1, Math.ceil(3 * deviation));
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - radius) / deviation) ** 2),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Convolves with one kernel per axis, in place; outside, the border voxel is repeated. */
function blur_(values: Float32Array, size: Vec3, kernels: readonly (readonly number[])[]): void {
  const strides = [1, size[0], size[0] * size[1]];
  kernels.forEach((kernel, axis) => {
    const n = size[axis];
    const stride = strides[axis];
    const radius = (kernel.length - 1) / 2;
    const line = new Float32Array(n + 2 * radius);
    const [second, third] = [0, 1, 2].filter((other) => other !== axis);
    for (let b = 0; b < size[third]; b++) {
      for (let a = 0; a < size[second]; a++) {
        const start = a * strides[second] + b * strides[third];
        for (let i = 0; i < line.length; i++) {
          line[i] = values[start + Math.min(Math.max(i - radius, 0), n - 1) * stride];
        }
        for (let i = 0; i < n; i++) {
          let sum = 0;
          for (let t = 0; t < kernel.length; t++) sum += kernel[t] * line[i + t];
          values[start + i * stride] = sum;
        }
      }
    }
  });
}
