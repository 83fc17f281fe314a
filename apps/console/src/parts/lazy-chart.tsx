import { lazily } from './lazily';

/** The chart, whose library is fetched when one is shown. */
export const LazyChart = lazily('The chart', () => import('./chart').then(({ Chart }) => Chart), <div className="chart" />);
