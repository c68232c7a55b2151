import type { MaskFact, MetricValue } from './metric.js';

/** What the metrics of a case say about the two masks of a label. */
export interface Presence {
  /** The reference has the label, and the prediction does not touch it. */
  readonly missed: boolean;
  /** Exactly one of the two masks has the label. */
  readonly oneSided: boolean;
}

/** What the metrics of a case say about each label. The mean over labels has the key null. */
export function presenceByLabel(values: readonly MetricValue[]): Map<string | null, Presence> {
  const facts = new Map<string | null, Set<MaskFact>>();
  for (const value of values) {
    if (!isOfLabels(value)) continue;
    const known = facts.get(value.label) ?? new Set();
    for (const fact of factsOf(value)) known.add(fact);
    facts.set(value.label, known);
  }
  return new Map([...facts].map(([label, known]) => [label, presenceOf(known)]));
}

/** Whether a value is of a label or of the mean over labels, not of the case as a whole. */
export function isOfLabels({ metric, label }: Pick<MetricValue, 'metric' | 'label'>): boolean {
  return label !== null || metric.mean;
}

function factsOf({ metric: { implies }, value }: MetricValue): readonly MaskFact[] {
  if (Number.isNaN(value)) return implies?.nan ?? [];
  if (value === Number.POSITIVE_INFINITY) return implies?.infinite ?? [];
  if (value === 0) return implies?.zero ?? [];
  return (value > 0 ? implies?.positive : undefined) ?? [];
}

function presenceOf(facts: ReadonlySet<MaskFact>): Presence {
  const missing = facts.has('inReference') && facts.has('notPredicted');
  const invented = facts.has('predicted') && facts.has('notInReference');
  return {
    missed: missing || (facts.has('inReference') && facts.has('noOverlap')),
    oneSided: missing || invented || facts.has('inOneOnly'),
  };
}
