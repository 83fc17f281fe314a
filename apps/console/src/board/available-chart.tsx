import { memo, useMemo, useState, type ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { changeSeriesQuery } from '../api/queries';
import { useNow } from '../clock';
import { LazyChart } from '../parts/lazy-chart';
import { SeriesTable, TableToggle } from '../parts/series-table';
import { Loaded, Skeleton } from '../parts/states';
import type { LiveBoard } from './live-board';

const SPANS = { '1h': { hours: 1, step: 60 }, '4h': { hours: 4, step: 60 }, '24h': { hours: 24, step: 300 } } as const;
export type Span = keyof typeof SPANS;

/** How many agents were available, up to this moment. */
export const AvailableChart = memo(function AvailableChart({
  board,
  span,
  onSpan,
}: {
  readonly board: LiveBoard;
  readonly span: Span;
  readonly onSpan: (span: Span) => void;
}): ReactNode {
  const { hours, step } = SPANS[span];
  const series = useQuery(changeSeriesQuery(hours, step));
  // Once a second: a chart that is drawn with every change costs more than the rows.
  useNow();
  const { available, loaded } = board.state.get();
  const [asTable, setAsTable] = useState(false);
  const data = useMemo(() => {
    if (!series.data) return undefined;
    const from = Date.parse(series.data.from) / 1000;
    const times = series.data.available.map((_, index) => from + index * series.data.step);
    const now = Date.now() / 1000;
    // The stream is ahead of the minute's count.
    return loaded
      ? { times: [...times, now], values: [...series.data.available, available] }
      : { times, values: [...series.data.available] };
  }, [series.data, available, loaded]);
  return (
    <section className="card chart-card" aria-label="Available agents">
      <div className="card-head">
        <h2>Available agents</h2>
        <div className="segments" role="group" aria-label="Time span">
          {(Object.keys(SPANS) as Span[]).map((one) => (
            <button key={one} type="button" aria-pressed={one === span} onClick={() => onSpan(one)}>
              {one.replace('h', ' h')}
            </button>
          ))}
        </div>
        <TableToggle asTable={asTable} onToggle={setAsTable} />
      </div>
      <Loaded query={series} what="The chart" skeleton={<Skeleton rows={1} height={96} />}>
        {() =>
          data &&
          (asTable ? (
            <SeriesTable times={data.times} columns={[{ name: 'Available', values: data.values }]} />
          ) : (
            <LazyChart
              label="Available agents"
              times={data.times}
              lines={[{ name: 'Available', values: data.values, colour: 'ok', stepped: true }]}
            />
          ))
        }
      </Loaded>
    </section>
  );
});
