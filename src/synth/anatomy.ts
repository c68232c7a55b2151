import type { Random } from '../volume/random.js';
import type { Triple, Vec3 } from '../volume/volume.js';

/**
 * The tissues of a phantom. Their order matters: a shape only replaces tissues inside the trunk, which are
 * `fat` and all that follow it in the list.
 */
export const tissues = [
  'air',
  'skin',
  'subcutis',
  'muscle',
  'rib',
  'fat',
  'lung',
  'lungVessel',
  'heart',
  'bowel',
  'bowelGas',
  'liver',
  'liverVessel',
  'gallbladder',
  'stomachWall',
  'stomachContent',
  'stomachGas',
  'pancreas',
  'spleen',
  'kidney',
  'kidneyMedulla',
  'aorta',
  'venaCava',
  'vertebra',
  'spinalCanal',
] as const;

export type Tissue = (typeof tissues)[number];

/**
 * A superellipsoid |x|^e + |y|^e + |z|^e < 1 in local coordinates, smoothly bent and wobbled. Body
 * coordinates are mm in RAS+ (x to the patient's right, y to the front, z to the head) from the middle of the
 * trunk.
 */
export interface Shape {
  readonly tissue: Tissue;
  /** Its middle, in mm. */
  readonly centre: Vec3;
  /** Half its length along each of its axes, in mm. */
  readonly semiAxes: Vec3;
  /** The rotation from body to local coordinates; its rows are the axes of the shape. */
  readonly rotation: readonly Vec3[];
  /** e above: 2 for an ellipsoid, more for a box with rounded edges. */
  readonly exponent: number;
  /** How far its ends bend towards its local +x, as a share of the x half axis. */
  readonly bend: number;
  /** Size of the wobble as a share of the half axes, and its phases. */
  readonly wobble: number;
  readonly phases: readonly number[];
  /** The tissues that it replaces. Default: all that lie inside the trunk. */
  readonly over?: readonly Tissue[];
}

/** One body: the trunk, the shapes in painting order, and the mean HU of each tissue. */
export interface Anatomy {
  /** Half the width and depth of the cavity, in mm, and the exponent of its superellipse. */
  readonly cavity: { readonly x: number; readonly y: number; readonly exponent: number };
  /** Thickness of the layers around it, in mm. */
  readonly wall: number;
  readonly subcutis: number;
  readonly skin: number;
  /**
   * Ribs: distance between two in mm, slope towards the front, the first one's phase, the lowest one's z in
   * mm.
   */
  readonly ribs: {
    readonly pitch: number;
    readonly slope: number;
    readonly phase: number;
    readonly lowest: number;
  };
  readonly shapes: readonly Shape[];
  readonly hounsfield: Readonly<Record<Tissue, number>>;
  /** Standard deviation of the noise in the image, in HU. */
  readonly noise: number;
  /** Standard deviation of the scanner's point spread, in mm. */
  readonly blur: number;
}

/** The rotation about x, then y, then z by angles in degrees, as rows. */
export function rotationOf(degrees: Vec3): Vec3[] {
  const [a, b, c] = degrees.map((angle) => (angle * Math.PI) / 180);
  const [sa, ca, sb, cb, sc, cc] = [a, b, c].flatMap((angle) => [Math.sin(angle), Math.cos(angle)]);
  return [
    [cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa],
    [sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa],
    [-sb, cb * sa, cb * ca],
  ];
}

/**
 * Draws a random body. Sizes and positions are those of adults in textbooks, with variations so wide that
 * neither the position nor the intensity alone identifies an organ. Contrast is between a late arterial and a
 * portal venous phase: the liver is darker than the spleen, as bright, or brighter; the medulla of the
 * kidneys, the vena cava and the liver's vessels overlap with it in HU; pancreas, stomach and bowel, which
 * touch it, are a little darker; kidneys and aorta are brighter.
 */
export function drawAnatomy(random: Random): Anatomy {
  const between = (low: number, high: number) => random.uniform(low, high);
  const cx = between(115, 148);
  const cy = cx * between(0.6, 0.72);
  const sz = between(0.9, 1.12);
  const shapes: Shape[] = [];

  const add = (
    tissue: Tissue,
    centre: Vec3,
    semiAxes: Vec3,
    extra: {
      tilt?: Vec3;
      exponent?: number;
      bend?: number;
      wobble?: number;
      over?: readonly Tissue[];
    } = {},
  ): Shape => {
    const shape: Shape = {
      tissue,
      centre,
      semiAxes,
      // The angles rotate the shape; from body to local coordinates it is the inverse.
      rotation: transpose(rotationOf(extra.tilt ?? [0, 0, 0])),
      exponent: extra.exponent ?? 2,
      bend: extra.bend ?? 0,
      wobble: extra.wobble ?? 0.07,
      phases: Array.from({ length: 6 }, () => between(0, 2 * Math.PI)),
      over: extra.over,
    };
    shapes.push(shape);
    return shape;
  };
  const inside = (
    shape: Shape,
    scale: Vec3,
    tissue: Tissue,
    over: readonly Tissue[],
    shift: Vec3 = [0, 0, 0],
  ) =>
    shapes.push({
      ...shape,
      tissue,
      over,
      centre: shape.centre.map((value, axis) => value + shift[axis]) as Triple,
      semiAxes: shape.semiAxes.map((value, axis) => value * scale[axis]) as Triple,
    });
  const jitter = (spread: number) => between(-spread, spread);

  for (const side of [1, -1]) {
    const lung: Vec3 = [side * cx * 0.52, -cy * 0.05, 140 * sz + jitter(12)];
    add('lung', lung, [cx * 0.46, cy * 0.88, 105 * sz + jitter(8)], { exponent: 2.4 });
    for (let i = 0; i < 14; i++) {
      const out = between(0.1, 0.9);
      const centre: Vec3 = [
        lung[0] + side * cx * (out - 0.5) * 0.7,
        lung[1] + jitter(cy * 0.5),
        lung[2] + jitter(80 * sz),
      ];
      const thickness = between(1.5, 4);
      add('lungVessel', centre, [thickness, thickness, between(18, 40)], {
        tilt: [jitter(80), jitter(80), 0],
        over: ['lung'],
      });
    }
  }
  add('heart', [-cx * 0.15 + jitter(8), cy * 0.3, 135 * sz + jitter(10)], [cx * 0.38, cy * 0.5, 48 * sz], {
    tilt: [20 + jitter(10), 20 + jitter(10), jitter(15)],
  });

  for (let i = 0; i < 16; i++) {
    const centre: Vec3 = [jitter(cx * 0.7), jitter(cy * 0.5) + cy * 0.25, between(-150, -30) * sz];
    const loop = add('bowel', centre, [between(12, 22), between(12, 22), between(20, 45)], {
      tilt: [jitter(90), jitter(90), jitter(90)],
      bend: jitter(0.6),
      wobble: 0.12,
      over: ['fat'],
    });
    if (between(0, 1) < 0.3) inside(loop, [0.6, 0.6, 0.6], 'bowelGas', ['bowel']);
  }

  const liverSize = between(0.88, 1.12);
  const liverCentre: Vec3 = [cx * 0.44 + jitter(6), cy * 0.02 + jitter(6), 48 * sz + jitter(12)];
  const liverShape = { exponent: 2.3, wobble: 0.1 };
  add('liver', liverCentre, [cx * 0.54 * liverSize, cy * 0.84 * liverSize, 72 * sz * liverSize], {
    ...liverShape,
    tilt: [jitter(8), 12 + jitter(8), jitter(8)],
    bend: -between(0.05, 0.25),
  });
  add(
    'liver',
    [-cx * between(-0.05, 0.15), cy * 0.5, 52 * sz + jitter(10)],
    [cx * 0.42 * liverSize, cy * 0.34 * liverSize, 34 * sz],
    { ...liverShape, tilt: [jitter(8), jitter(8), -10 + jitter(8)] },
  );
  for (let i = 0; i < 9; i++) {
    const at: Vec3 = [liverCentre[0] + jitter(40), liverCentre[1] + jitter(40), liverCentre[2] + jitter(30)];
    const thickness = between(2, 5);
    add('liverVessel', at, [thickness, thickness, between(20, 45)], {
      tilt: [jitter(90), jitter(90), 0],
      over: ['liver'],
    });
  }
  add('gallbladder', [cx * 0.36 + jitter(8), cy * 0.45 + jitter(6), 2 * sz + jitter(10)], [11, 12, 28], {
    tilt: [25 + jitter(15), jitter(20), 0],
  });

  const stomachSize = between(0.75, 1.25);
  const stomach = add(
    'stomachWall',
    [-cx * 0.36 + jitter(8), cy * 0.3 + jitter(8), 38 * sz + jitter(14)],
    [34 * stomachSize, 30 * stomachSize, 58 * stomachSize],
    { tilt: [jitter(15), -30 + jitter(15), jitter(20)], bend: between(0.2, 0.6), wobble: 0.12 },
  );
  inside(stomach, [0.87, 0.87, 0.92], 'stomachContent', ['stomachWall']);
  inside(stomach, [0.72, 0.45, 0.75], 'stomachGas', ['stomachContent'], [0, between(8, 14) * stomachSize, 0]);

  const spleenSize = Math.exp(random.normal(0, 0.1));
  const spleenCentre: Vec3 = [-cx * between(0.6, 0.74), -cy * between(0.22, 0.46), 34 * sz + jitter(22)];
  // Its tail reaches the spleen's hilum.
  add(
    'pancreas',
    [spleenCentre[0] * between(0.4, 0.55), -cy * between(0, 0.2), spleenCentre[2] - between(0, 20)],
    [cx * between(0.3, 0.42), between(9, 14), between(10, 16)],
    {
      tilt: [jitter(15), jitter(25), 15 + jitter(20)],
      bend: jitter(0.4),
      wobble: 0.12,
      over: ['fat', 'bowel'],
    },
  );
  add(
    'spleen',
    spleenCentre,
    [between(20, 27) * spleenSize, between(32, 42) * spleenSize, between(46, 60) * spleenSize],
    {
      // Thin from the side to the middle, long along the tenth rib: forward and down.
      tilt: [25 + jitter(18), jitter(15), 20 + jitter(20)],
      exponent: between(2, 2.6),
      bend: between(0.15, 0.7),
      wobble: between(0.06, 0.13),
    },
  );

  for (const side of [1, -1]) {
    const kidney = add(
      'kidney',
      [side * cx * 0.46 + jitter(7), -cy * 0.5 + jitter(7), (side > 0 ? -42 : -30) * sz + jitter(14)],
      [between(23, 29), between(24, 30), between(48, 60)],
      // The hilum looks to the middle and a little forward.
      {
        tilt: [jitter(8), side * (8 + jitter(6)), side > 0 ? 180 - 30 + jitter(10) : 30 + jitter(10)],
        bend: 0.35,
      },
    );
    inside(kidney, [0.62, 0.6, 0.72], 'kidneyMedulla', ['kidney']);
    inside(kidney, [0.34, 0.3, 0.4], 'fat', ['kidneyMedulla', 'kidney'], [-side * 9, 3, 0]);
  }

  for (const side of [1, -1]) {
    const over: readonly Tissue[] = ['subcutis', 'fat', 'lung'];
    add('muscle', [side * 30, -cy * 0.74 - 24, 0], [25, 19, 400], { exponent: 2.5, over });
    add('muscle', [side * 38, -cy * 0.62, -100 * sz], [17, 20, 85], { over });
  }
  const straight = { wobble: 0.03, bend: jitter(0.5) };
  add('aorta', [-7 + jitter(4), -cy * 0.36 + jitter(4), 0], [between(9, 13), between(9, 13), 330], straight);
  add(
    'venaCava',
    [22 + jitter(4), -cy * 0.3 + jitter(4), 0],
    [between(8, 12), between(7, 11), 330],
    straight,
  );

  const vertebra = 31 * sz;
  const start = between(0, vertebra);
  for (let i = -7; i <= 7; i++) {
    const z = i * vertebra + start;
    const y = -cy * 0.74 + 8 * Math.cos((z - 20) / 90);
    const over = tissues.slice(tissues.indexOf('subcutis'));
    add('vertebra', [0, y, z], [22, 17, vertebra * 0.43], { exponent: 3.5, wobble: 0.03, over });
    add('vertebra', [0, y - 27, z - 4], [18, 12, 9], { wobble: 0.1, over });
    add('vertebra', [0, y - 36, z - 8], [4, 15, 9], { exponent: 2.5, over });
    add('spinalCanal', [0, y - 24, z], [9, 7, vertebra * 0.7], { exponent: 3, over });
  }

  const hounsfield: Record<Tissue, number> = {
    air: -1000,
    skin: between(0, 30),
    subcutis: between(-115, -95),
    muscle: between(48, 72),
    rib: between(250, 420),
    fat: between(-112, -92),
    lung: between(-870, -780),
    lungVessel: between(40, 120),
    heart: between(110, 190),
    bowel: between(15, 92),
    bowelGas: -900,
    liver: between(74, 126),
    liverVessel: between(100, 150),
    gallbladder: between(2, 16),
    stomachWall: between(58, 92),
    stomachContent: between(0, 70),
    stomachGas: -920,
    pancreas: between(66, 92),
    spleen: between(100, 134),
    kidney: between(145, 205),
    kidneyMedulla: between(92, 145),
    aorta: between(185, 260),
    venaCava: between(85, 160),
    vertebra: between(160, 260),
    spinalCanal: between(10, 35),
  };
  return {
    cavity: { x: cx, y: cy, exponent: between(2.1, 2.5) },
    wall: between(11, 17),
    subcutis: between(6, 34),
    skin: 2,
    ribs: {
      pitch: between(25, 31),
      slope: between(0.35, 0.6),
      phase: between(0, 30),
      lowest: between(-35, -10),
    },
    shapes,
    hounsfield,
    noise: between(8, 14),
    blur: between(0.6, 1.2),
  };
}

function transpose(rows: readonly Vec3[]): Vec3[] {
  return [0, 1, 2].map((column) => rows.map((row) => row[column]) as Triple);
}
