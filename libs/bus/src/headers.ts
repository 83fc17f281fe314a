import type { BusHeader, BusMessage } from './bus.js';

/**
 * Reads headers as UTF-8, by name; of one that stands several times the last counts, and one whose value is null is absent.
 *
 * @returns an object without a prototype: a header may have any name
 */
export function headerTexts(headers: readonly BusHeader[]): Record<string, string> {
  const texts = Object.create(null) as Record<string, string>;
  for (const { name, value } of headers) {
    const key = name.toString();
    if (value === null) delete texts[key];
    else texts[key] = value.toString();
  }
  return texts;
}

/** Lists the headers of a message or record one by one, in order, however they were given. */
export function headerListOf({ headers = {}, headerList }: Pick<BusMessage, 'headers' | 'headerList'>): readonly BusHeader[] {
  return headerList ?? Object.entries(headers).map(([name, value]) => ({ name, value }));
}
