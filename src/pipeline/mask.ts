import type { Pipeline } from './types.js';

/** Shorter values are not masked: they occur by accident in other texts, and keep no secret. */
const shortestSecret = 4;

/** Replaces texts in plain data, at any depth. */
export type Mask = <T>(value: T) => T;

/**
 * A function that hides the environment variables of a pipeline that are not in its `publicEnv`: where their
 * values occur in a text, it puts `${env.NAME}` instead.
 */
export function maskOf({ secrets }: Pick<Pipeline, 'secrets'>): Mask {
  const known = [...secrets]
    .filter(([, value]) => value.length >= shortestSecret)
    // A value may contain another one.
    .sort(([, a], [, b]) => b.length - a.length);
  const replace = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return known.reduce((text, [name, secret]) => text.replaceAll(secret, () => `\${env.${name}}`), value);
    }
    if (Array.isArray(value)) return value.map(replace);
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replace(item)]));
    }
    return value;
  };
  // Strings stay strings, and maps keep their keys.
  return <T>(value: T) => (known.length === 0 ? value : (replace(value) as T));
}

/** The fields of events that may hold texts of a pipeline. Others, e.g. ids of cases, stay as they are. */
const textFields = ['pipeline', 'output', 'message', 'reason', 'problems'];

/** Hides environment variables in the texts of an event; see `maskOf`. */
export function maskEvent<Event extends object>(mask: Mask, event: Event): Event {
  const texts = Object.entries(event).filter(([field]) => textFields.includes(field));
  return { ...event, ...mask(Object.fromEntries(texts)) };
}
