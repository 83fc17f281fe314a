/** A time's milliseconds since the epoch, in SQL. The half microsecond undoes the binary fraction, so that the floor never ends one early. */
export const millisecondsOf = (column: string): string => `floor(date_part('epoch', ${column}) * 1000 + 0.0005)`;
