import { parser } from '@prometheus-io/lezer-promql';

/**
 * Lists the names of the metrics that a PromQL expression reads.
 *
 * @throws Error where it is no PromQL
 */
export function metricsOf(expression: string): string[] {
  const names: string[] = [];
  parser.parse(expression).iterate({
    enter: ({ type, name, from, to, node }) => {
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expression}`);
      // The name of a metric alone: labels are LabelName, functions FunctionCall.
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') names.push(expression.slice(from, to));
    },
  });
  return names;
}

/** Returns the same expression with every duration divided, down to whole seconds. */
export function hasten(expression: string, by: number): string {
  const cuts: { from: number; to: number }[] = [];
  parser.parse(expression).iterate({
    enter: ({ name, from, to }) => {
      if (name === 'NumberDurationLiteralInDurationContext') cuts.push({ from, to });
    },
  });
  return cuts.reduceRight(
    (text, { from, to }) => `${text.slice(0, from)}${hastened(text.slice(from, to), by)}${text.slice(to)}`,
    expression,
  );
}

/** Returns a duration of Prometheus such as `5m`, divided, down to whole seconds. */
export function hastened(duration: string, by: number): string {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(duration) ?? [];
  if (count === undefined) throw new Error(`not a duration that can be hastened: ${duration}`);
  const seconds = Number(count) * { s: 1, m: 60, h: 3600, d: 86_400 }[unit as 's' | 'm' | 'h' | 'd'];
  return `${Math.max(1, Math.round(seconds / by))}s`;
}
