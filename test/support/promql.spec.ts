import { expect, it } from 'vitest';
import { hasten, metricsOf } from './promql.js';

it.each([
  ['up == 0', ['up']],
  ['sum by (le) (rate(a_bucket{b="c", d=~"e_total"}[5m])) > on (f) group_left (g) h', ['a_bucket', 'h']],
  ['abs(a) and last_over_time(b[1d] offset 5m)', ['a', 'b']],
])('finds the metrics of %s', (expression, metrics) => {
  expect(metricsOf(expression)).toEqual(metrics);
});

it.each(['sum(rate(a[5m])', 'rate(a[])', 'a ==', 'a{b=c}'])('says that %s is no PromQL', (expression) => {
  expect(() => metricsOf(expression)).toThrow('no PromQL');
});

it('divides the durations of an expression, and no other number', () => {
  expect(hasten('increase(a[1h]) > 60 and rate(b[15s]) > 6 * 3600', 60)).toBe('increase(a[60s]) > 60 and rate(b[1s]) > 6 * 3600');
});
