import type { ReactNode } from 'react';
import { formatCount } from '../text/numbers';
import { Moment } from './moment';

export interface Column {
  readonly name: string;
  readonly values: readonly (number | null | undefined)[];
}

/** Switches between a chart and its figures. */
export function TableToggle({
  asTable,
  onToggle,
}: {
  readonly asTable: boolean;
  readonly onToggle: (asTable: boolean) => void;
}): ReactNode {
  return (
    <button type="button" className="button quiet small" aria-pressed={asTable} onClick={() => onToggle(!asTable)}>
      Show as table
    </button>
  );
}

/** Shows a chart's figures for who cannot see it; the newest first. @param times seconds since the epoch */
export function SeriesTable({
  times,
  columns,
}: {
  readonly times: readonly number[];
  readonly columns: readonly Column[];
}): ReactNode {
  const indexes = times.map((_, index) => index).reverse();
  return (
    <div className="scroll-table" tabIndex={0} role="region" aria-label="Figures">
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {columns.map(({ name }) => (
              <th key={name} scope="col" className="right">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {indexes.map((index) => (
            <tr key={index}>
              <td>
                <Moment at={new Date((times[index] ?? 0) * 1000).toISOString()} precision="minute" />
              </td>
              {columns.map(({ name, values }) => (
                <td key={name} className="right figure">
                  {written(values[index])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function written(value: number | null | undefined): string {
  return typeof value === 'number' ? formatCount(value) : '–';
}
