import type { LabelCode as Code } from '../../volume/volume.js';

/** What a segment shows. */
export interface Anatomy {
  readonly category: Code;
  readonly type: Code;
  /** Left or right. */
  readonly modifier?: Code;
  /** Where an alteration or a tissue is, if its type does not say so. */
  readonly region?: { readonly type: Code; readonly modifier?: Code };
}

const sct = (value: string, meaning: string): Code => ({ value, scheme: 'SCT', meaning });
const structure = sct('123037004', 'Anatomical Structure');
const altered = sct('49755003', 'Morphologically Altered Structure');
const tissue = sct('85756007', 'Tissue');
const left = sct('7771000', 'Left');
const right = sct('24028007', 'Right');

/**
 * SNOMED CT codes by name, without left and right. Names are those of TotalSegmentator and of the Decathlon's
 * tasks; codes are those of TotalSegmentator's table `totalsegmentator_snomed_mapping.csv`.
 */
const structures: Readonly<Record<string, readonly [code: string, meaning: string]>> = {
  adrenal_gland: ['23451007', 'Adrenal gland'],
  aorta: ['15825003', 'Aorta'],
  atrial_appendage: ['68786006', 'Auricular appendage'],
  autochthon: ['244849004', 'Deep muscle of back'],
  bladder: ['89837001', 'Urinary bladder'],
  body_extremities: ['66019005', 'Limb'],
  body_trunc: ['22943007', 'Trunk'],
  brachiocephalic_trunk: ['12691009', 'Brachiocephalic artery'],
  brachiocephalic_vein: ['8887007', 'Brachiocephalic vein'],
  brain: ['12738006', 'Brain'],
  carpal: ['83936004', 'Carpus'],
  clavicle: ['51299004', 'Clavicle'],
  clavicula: ['51299004', 'Clavicle'],
  colon: ['71854001', 'Colon'],
  common_carotid_artery: ['32062004', 'Common carotid artery'],
  coronary_arteries: ['41801008', 'Coronary artery'],
  costal_cartilages: ['50016007', 'Costal cartilage'],
  duodenum: ['38848004', 'Duodenum'],
  esophagus: ['32849002', 'Esophagus'],
  face: ['89545001', 'Face'],
  femur: ['71341001', 'Femur'],
  fibula: ['87342007', 'Fibula'],
  gallbladder: ['28231008', 'Gallbladder'],
  gluteus_maximus: ['181674001', 'Gluteus maximus muscle'],
  gluteus_medius: ['78333006', 'Gluteus medius muscle'],
  gluteus_minimus: ['75297007', 'Gluteus minimus muscle'],
  heart: ['80891009', 'Heart'],
  heart_myocardium: ['74281007', 'Myocardium'],
  hip: ['29836001', 'Hip'],
  humerus: ['85050009', 'Humerus'],
  iliac_artery: ['73634005', 'Common iliac artery'],
  iliac_vena: ['46027005', 'Common iliac vein'],
  iliopsoas: ['68455001', 'Iliopsoas muscle'],
  inferior_vena_cava: ['64131007', 'Inferior vena cava'],
  kidney: ['64033007', 'Kidney'],
  liver: ['10200004', 'Liver'],
  lung: ['39607008', 'Lung'],
  lung_lower_lobe: ['90572001', 'Lower lobe of lung'],
  lung_trachea_bronchia: ['110726009', 'Trachea and bronchus'],
  lung_upper_lobe: ['45653009', 'Upper lobe of lung'],
  metacarpal: ['36455000', 'Metacarpal bones'],
  metatarsal: ['53884002', 'Metatarsal'],
  pancreas: ['15776009', 'Pancreas'],
  patella: ['64234005', 'Patella'],
  phalanges_feet: ['28641004', 'Phalanx structure'],
  phalanges_hand: ['28641004', 'Phalanx structure'],
  portal_vein_and_splenic_vein: ['110765007', 'Portal vein and splenic vein'],
  prostate: ['41216001', 'Prostate'],
  pulmonary_artery: ['81040000', 'Pulmonary artery'],
  pulmonary_vein: ['122972007', 'Pulmonary vein'],
  radius: ['62413002', 'Radius'],
  rib_1: ['48535007', 'First rib'],
  rib_2: ['78247007', 'Second rib'],
  rib_3: ['25888004', 'Third rib'],
  rib_4: ['25523003', 'Fourth rib'],
  rib_5: ['15339008', 'Fifth rib'],
  rib_6: ['59558009', 'Sixth rib'],
  rib_7: ['24915002', 'Seventh rib'],
  rib_8: ['5953002', 'Eighth rib'],
  rib_9: ['22565002', 'Ninth rib'],
  rib_10: ['77644006', 'Tenth rib'],
  rib_11: ['58830002', 'Eleventh rib'],
  rib_12: ['43993008', 'Twelfth rib'],
  ribs: ['113197003', 'Rib'],
  sacrum: ['54735007', 'Sacrum'],
  scapula: ['79601000', 'Scapula'],
  skeletal_muscle: ['127954009', 'Skeletal muscle'],
  skull: ['89546000', 'Skull'],
  small_bowel: ['30315005', 'Small Intestine'],
  spinal_cord: ['2748008', 'Spinal cord'],
  spleen: ['78961009', 'Spleen'],
  sternum: ['56873002', 'Sternum'],
  stomach: ['69695003', 'Stomach'],
  subclavian_artery: ['29700009', 'Subclavian artery'],
  superior_vena_cava: ['48345005', 'Superior vena cava'],
  tarsal: ['108371006', 'Tarsal bones'],
  thyroid_gland: ['69748006', 'Thyroid gland'],
  tibia: ['12611008', 'Tibia'],
  trachea: ['44567001', 'Trachea'],
  ulna: ['23416004', 'Ulna'],
  urinary_bladder: ['89837001', 'Urinary bladder'],
  vertebrae: ['51282000', 'Vertebra'],
  vertebrae_body: ['3572006', 'Vertebral body'],
  vertebrae_c1: ['14806007', 'C1 vertebra'],
  vertebrae_c2: ['39976000', 'C2 vertebra'],
  vertebrae_c3: ['113205007', 'C3 vertebra'],
  vertebrae_c4: ['5329002', 'C4 vertebra'],
  vertebrae_c5: ['36978003', 'C5 vertebra'],
  vertebrae_c6: ['36054005', 'C6 vertebra'],
  vertebrae_c7: ['87391001', 'C7 vertebra'],
  vertebrae_l1: ['66794005', 'L1 vertebra'],
  vertebrae_l2: ['14293000', 'L2 vertebra'],
  vertebrae_l3: ['36470004', 'L3 vertebra'],
  vertebrae_l4: ['11994002', 'L4 vertebra'],
  vertebrae_l5: ['49668003', 'L5 vertebra'],
  vertebrae_s1: ['65985001', 'S1 vertebra'],
  vertebrae_t1: ['64864005', 'T1 vertebra'],
  vertebrae_t2: ['53733008', 'T2 vertebra'],
  vertebrae_t3: ['1626008', 'T3 vertebra'],
  vertebrae_t4: ['73071006', 'T4 vertebra'],
  vertebrae_t5: ['56401006', 'T5 vertebra'],
  vertebrae_t6: ['45296009', 'T6 vertebra'],
  vertebrae_t7: ['62487009', 'T7 vertebra'],
  vertebrae_t8: ['11068009', 'T8 vertebra'],
  vertebrae_t9: ['82687006', 'T9 vertebra'],
  vertebrae_t10: ['7610001', 'T10 vertebra'],
  vertebrae_t11: ['12989004', 'T11 vertebra'],
  vertebrae_t12: ['23215003', 'T12 vertebra'],
};

/** Structures with a separate code for each side. */
const sided: Readonly<Record<string, readonly [code: string, meaning: string]>> = {
  heart_atrium_left: ['82471001', 'Left atrium'],
  heart_atrium_right: ['73829009', 'Right atrium'],
  heart_ventricle_left: ['87878005', 'Left ventricle of heart'],
  heart_ventricle_right: ['53085002', 'Right ventricle of heart'],
  lung_middle_lobe_right: ['72481006', 'Middle lobe of right lung'],
};

/** Alterations and tissues, some with the place where they are. */
const findings: Readonly<Record<string, Omit<Anatomy, 'modifier'>>> = {
  cyst: { category: altered, type: sct('367643001', 'Cyst') },
  hemorrhage: { category: altered, type: sct('50960005', 'Hemorrhage') },
  intracerebral_hemorrhage: {
    category: altered,
    type: sct('50960005', 'Hemorrhage'),
    region: { type: sct('12738006', 'Brain') },
  },
  kidney_cyst: {
    category: altered,
    type: sct('367643001', 'Cyst'),
    region: { type: sct('64033007', 'Kidney') },
  },
  liver_tumor: {
    category: altered,
    type: sct('108369006', 'Neoplasm'),
    region: { type: sct('10200004', 'Liver') },
  },
  pericardial_effusion: {
    category: altered,
    type: sct('41699000', 'Effusion'),
    region: { type: sct('25489000', 'Pericardial cavity') },
  },
  pleural_effusion: {
    category: altered,
    type: sct('41699000', 'Effusion'),
    region: { type: sct('91381003', 'Pleural cavity') },
  },
  subcutaneous_fat: { category: tissue, type: sct('67769002', 'Subcutaneous fatty tissue') },
};

/**
 * What a label's name stands for, with SNOMED CT codes; undefined for a name that the table does not have.
 */
export function anatomyOf(name: string): Anatomy | undefined {
  const key = name
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_');
  if (Object.hasOwn(sided, key)) return { category: structure, type: sct(...sided[key]) };
  const side = /(^|_)(left|right)(_|$)/.exec(key);
  const plain = side ? key.replace(side[0], side[1] && side[3] ? '_' : '') : key;
  const modifier = side && { modifier: side[2] === 'left' ? left : right };
  if (Object.hasOwn(structures, plain))
    return { category: structure, type: sct(...structures[plain]), ...modifier };
  if (!Object.hasOwn(findings, plain)) return undefined;
  const found = findings[plain];
  if (!modifier) return found;
  return found.region && { ...found, region: { ...found.region, ...modifier } };
}

/** What a code of one's own stands for. */
export function anatomyByCode(type: Code): Anatomy {
  return { category: structure, type };
}
