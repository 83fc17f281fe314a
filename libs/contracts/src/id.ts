/** The first number that is no id any more: contract §1, "Ids are JSON numbers below 2^32". */
export const ID_LIMIT = 2 ** 32;

const DECIMAL = /^(0|[1-9]\d{0,9})$/;

/**
 * Reads an id out of a path or a telemetry item.
 *
 * @returns the id, or undefined when the text is not a plain decimal number below 2^32
 */
export function parseId(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const id = Number(text);
  return id < ID_LIMIT ? id : undefined;
}

/** Tells whether a JSON value is a number that can be an id. */
export function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < ID_LIMIT;
}
