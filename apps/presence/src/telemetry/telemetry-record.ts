import { isUtf8 } from 'node:buffer';
import { MAX_RECORD_BYTES, type FieldErrors } from '#contracts';

/** A record's JSON, or why it is none, in words for people. */
export type RecordParse = { readonly value: unknown } | { readonly error: string };

/** Reads the value of a telemetry record: contract §4, "the same JSON", one item a record. Pure. */
export function parseRecord(bytes: Buffer | null): RecordParse {
  if (bytes === null) return { error: 'value: must be a JSON object, is empty' };
  if (bytes.length > MAX_RECORD_BYTES) return { error: `value: must have at most ${MAX_RECORD_BYTES} bytes` };
  if (!isUtf8(bytes)) return { error: 'value: must be UTF-8' };
  try {
    return { value: JSON.parse(bytes.toString('utf8')) };
  } catch {
    return { error: 'value: must be JSON' };
  }
}

/** Says in one line why an item was rejected: `field: why; field: why`. */
export function describeRejection(errors: FieldErrors): string {
  return Object.entries(errors)
    .map(([field, reasons]) => `${field}: ${reasons.join(', ')}`)
    .join('; ');
}
