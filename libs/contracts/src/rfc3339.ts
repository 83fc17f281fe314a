/** Date, `T`, hour, minute, second, fraction, and the offset from UTC: RFC 3339 §5.6, letters in either case. */
const DATE_TIME =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

const MINUTE_MS = 60_000;
/** What four digits of a year can say in UTC, which is how times are published. */
const EARLIEST = Date.parse('0000-01-01T00:00:00.000Z');
const LATEST = Date.parse('9999-12-31T23:59:59.999Z');

/** What to tell the sender of a text that is no time. */
export const TIME_MESSAGE = 'must be an RFC 3339 date and time, such as 2026-11-22T10:00:00.123Z';

/**
 * Reads an RFC 3339 date and time, in full: contract §4. Pure. Letters in either case, fractions of any length (what is finer
 * than a millisecond is cut off), any offset, `-00:00` too. A leap second, with or without a fraction, is the first instant of
 * the next minute, since no clock here counts it. A space in place of the `T` is not in the RFC's grammar, and is refused.
 *
 * @returns milliseconds since the epoch; undefined for what is no such text, and for days that do not exist
 */
export function parseTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour, offsetMinute] = match;
  if (Number(day) > daysIn(Number(year), Number(month))) return undefined;
  const isLeapSecond = second === '60';
  // By text, since Date.UTC takes the years 0 to 99 for those of the last century.
  const local = isLeapSecond
    ? Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00.000Z`) + MINUTE_MS
    : Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
  const offsetMs = (Number(offsetHour ?? 0) * 60 + Number(offsetMinute ?? 0)) * MINUTE_MS;
  const time = sign === '-' ? local + offsetMs : local - offsetMs;
  return time >= EARLIEST && time <= LATEST ? time : undefined;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
