/** A coded concept. */
export interface Code {
  readonly value: string;
  /** The coding scheme, e.g. `SCT` for SNOMED CT. */
  readonly scheme: string;
  readonly meaning: string;
}

/** What a segment shows. */
export interface Anatomy {
  readonly category: Code;
  readonly type: Code;
  /** Left or right. */
  readonly modifier?: Code;
}

const sct = (value: string, meaning: string): Code => ({ value, scheme: 'SCT', meaning });
const structure = sct('123037004', 'Anatomical Structure');
const altered = sct('49755003', 'Morphologically Altered Structure');
const left = sct('7771000', 'Left');
const right = sct('24028007', 'Right');

/**
 * SNOMED CT codes by name, without left and right. Names are those of TotalSegmentator and of the Decathlon's
 * tasks.
 */
const structures: Readonly<Record<string, readonly [code: string, meaning: string]>> = {
  adrenal_gland: ['23451007', 'Adrenal gland'],
  aorta: ['15825003', 'Aorta'],
  atrial_appendage: ['68786006', 'Auricular appendage'],
  autochthon: ['244849004', 'Deep muscle of back'],
  bladder: ['89837001', 'Urinary bladder'],
  brachiocephalic_trunk: ['12691009', 'Brachiocephalic artery'],
  brachiocephalic_vein: ['8887007', 'Brachiocephalic vein'],
  brain: ['12738006', 'Brain'],
  clavicle: ['51299004', 'Clavicle'],
  clavicula: ['51299004', 'Clavicle'],
  colon: ['71854001', 'Colon'],
  common_carotid_artery: ['32062004', 'Common carotid artery'],
  duodenum: ['38848004', 'Duodenum'],
  esophagus: ['32849002', 'Esophagus'],
  face: ['89545001', 'Face'],
  femur: ['71341001', 'Femur'],
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
  lung_upper_lobe: ['45653009', 'Upper lobe of lung'],
  pancreas: ['15776009', 'Pancreas'],
  portal_vein_and_splenic_vein: ['110765007', 'Portal vein and splenic vein'],
  prostate: ['41216001', 'Prostate'],
  pulmonary_artery: ['81040000', 'Pulmonary artery'],
  pulmonary_vein: ['122972007', 'Pulmonary vein'],
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
  sacrum: ['54735007', 'Sacrum'],
  scapula: ['79601000', 'Scapula'],
  skull: ['89546000', 'Skull'],
  small_bowel: ['30315005', 'Small Intestine'],
  spinal_cord: ['2748008', 'Spinal cord'],
  spleen: ['78961009', 'Spleen'],
  sternum: ['56873002', 'Sternum'],
  stomach: ['69695003', 'Stomach'],
  subclavian_artery: ['29700009', 'Subclavian artery'],
  superior_vena_cava: ['48345005', 'Superior vena cava'],
  thyroid_gland: ['69748006', 'Thyroid gland'],
  trachea: ['44567001', 'Trachea'],
  urinary_bladder: ['89837001', 'Urinary bladder'],
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

/** Structures that have a code of their own for a side. */
const sided: Readonly<Record<string, readonly [code: string, meaning: string]>> = {
  heart_atrium_left: ['82471001', 'Left atrium'],
  heart_atrium_right: ['73829009', 'Right atrium'],
  heart_ventricle_left: ['87878005', 'Left ventricle of heart'],
  heart_ventricle_right: ['53085002', 'Right ventricle of heart'],
  lung_middle_lobe_right: ['72481006', 'Middle lobe of right lung'],
};

const alterations: Readonly<Record<string, readonly [code: string, meaning: string]>> = {
  cyst: ['367643001', 'Cyst'],
  hemorrhage: ['50960005', 'Hemorrhage'],
};

/**
 * What a label's name stands for, with SNOMED CT codes; undefined for a name that the table does not have.
 */
export function anatomyOf(name: string): Anatomy | undefined {
  const key = name
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_');
  if (key in sided) return { category: structure, type: sct(...sided[key]) };
  if (key in alterations) return { category: altered, type: sct(...alterations[key]) };
  const side = /(^|_)(left|right)(_|$)/.exec(key);
  const plain = side ? key.replace(side[0], side[1] && side[3] ? '_' : '') : key;
  if (!(plain in structures)) return undefined;
  return {
    category: structure,
    type: sct(...structures[plain]),
    ...(side && { modifier: side[2] === 'left' ? left : right }),
  };
}

/** What a code of one's own stands for. */
export function anatomyByCode(type: Code): Anatomy {
  return { category: structure, type };
}
