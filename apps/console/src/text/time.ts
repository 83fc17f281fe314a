/** Times and durations in words: in the reader's zone and language. Pure, but for those two. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (value: number): string => String(value).padStart(2, '0');

/** Writes how long something has lasted: `0:58`, `15:58`, `1:02:10`, `2 d 4 h`. @param ms negative counts as 0: clocks differ */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / SECOND));
  const [days, hours, minutes, seconds] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours}:${two(minutes)}:${two(seconds)}`;
  return `${minutes}:${two(seconds)}`;
}

/** Writes a length of time in a sentence: `12 s`, `4 min`, `2 h 10 min`, `3 d`. */
export function formatLength(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.round(ms / SECOND))} s`;
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min`;
  if (ms < DAY) {
    const minutes = Math.round((ms % HOUR) / MINUTE);
    return minutes === 0 || minutes === 60 ? `${Math.round(ms / HOUR)} h` : `${Math.floor(ms / HOUR)} h ${minutes} min`;
  }
  return `${Math.round(ms / DAY)} d`;
}

/** Writes how long an attempt took: `85 ms`, `2.5 s`. */
export function formatLatency(ms: number): string {
  return ms < SECOND ? `${Math.round(ms)} ms` : `${(ms / SECOND).toFixed(1)} s`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minute = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const date = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

/** Writes a moment: the clock alone today, else with the date. */
export function formatMoment(at: Date, now: Date, precision: 'second' | 'minute' = 'second'): string {
  const shown = (precision === 'second' ? clock : minute).format(at);
  return at.toDateString() === now.toDateString() ? shown : `${date.format(at)}, ${shown}`;
}

/** Writes a day: `Today`, `Yesterday`, or its date. */
export function formatDay(day: Date, now: Date): string {
  if (day.toDateString() === now.toDateString()) return 'Today';
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  return day.toDateString() === yesterday.toDateString() ? 'Yesterday' : date.format(day);
}

/** Writes the value of an `<input type="datetime-local">`, to the second, in the reader's zone. */
export function toLocalInput(at: Date): string {
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * MINUTE);
  return shifted.toISOString().slice(0, 19);
}

/** Returns midnight before a moment, in the reader's zone. */
export function startOfDay(at: Date): Date {
  const start = new Date(at);
  start.setHours(0, 0, 0, 0);
  return start;
}
