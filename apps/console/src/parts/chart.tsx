import { useEffect, useRef, type ReactNode } from 'react';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useStore } from '../store';
import { theme } from '../session/theme';
import { formatCount } from '../text/numbers';
import type { Kind } from '../text/words';

export interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
  readonly colour: Kind | 'accent';
  /** A count that stays until it changes, rather than a course. */
  readonly stepped?: boolean;
  readonly bars?: boolean;
}

interface Props {
  readonly label: string;
  /** Seconds since the epoch. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** Writes a value of the axis. */
  readonly format?: (value: number) => string;
}

/** Shows a chart of lines or bars over time, drawn on a canvas; the figures themselves are in a table beside it. */
export function Chart({ label, times, lines, format = formatCount }: Props): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const chosen = useStore(theme);
  const data = [times, ...lines.map(({ values }) => values)] as unknown as UPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;
  const shape = JSON.stringify(lines.map(({ name, colour, stepped, bars }) => [name, colour, stepped, bars]));

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new UPlot(optionsOf(element, lines, format), latest.current, element);
    };
    make();
    const resize = new ResizeObserver(() => plot.current?.setSize(sizeOf(element)));
    resize.observe(element);
    const scheme = window.matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', make);
    return () => {
      resize.disconnect();
      scheme.removeEventListener('change', make);
      plot.current?.destroy();
      plot.current = undefined;
    };
    // Made anew when its shape or the colours change; data are set below.
  }, [shape, chosen]);

  useEffect(() => {
    plot.current?.setData(latest.current);
  }, [times, lines]);

  const last = lines.map(({ name, values }) => `${name} ${format(values.at(-1) ?? 0)}`).join(', ');
  return <div ref={place} className="chart" role="img" aria-label={`${label}: now ${last}`} />;
}

function sizeOf(element: HTMLElement): { readonly width: number; readonly height: number } {
  return { width: element.clientWidth, height: element.clientHeight };
}

/** A canvas does not know `light-dark()`: what the colour comes to is read from the page. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.className = `probe-${name}`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function faded(colour: string, share: number): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);
}

function optionsOf(element: HTMLElement, lines: readonly Line[], format: (value: number) => string): UPlot.Options {
  const ink = colourOf(element, 'muted');
  const grid = colourOf(element, 'line');
  const isSmall = element.clientHeight < 100;
  const font = '12px system-ui, sans-serif';
  const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
  const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });
  const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return {
    ...sizeOf(element),
    padding: [8, isSmall ? 8 : 20, isSmall ? 8 : 0, 0],
    cursor: { show: !isSmall, y: false, points: { show: false }, drag: { x: false, y: false } },
    legend: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max ?? 1) * 1.1] } },
    axes: [
      {
        ...axis,
        show: !isSmall,
        grid: { show: false },
        size: 24,
        gap: 4,
        values: (_plot, at) =>
          at.map((seconds, index) => {
            const moment = new Date(seconds * 1000);
            const isLong = (at.at(-1) ?? 0) - (at[0] ?? 0) > 2 * 86_400;
            return isLong || (index === 0 && moment.getHours() === 0 && moment.getMinutes() === 0)
              ? day.format(moment)
              : clock.format(moment);
          }),
      },
      {
        ...axis,
        size: 44,
        gap: 4,
        space: 24,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000],
        values: (_plot, values) => values.map((value) => format(value)),
      },
    ],
    series: [
      {},
      ...lines.map(({ name, colour, stepped, bars }): UPlot.Series => {
        const stroke = colourOf(element, colour);
        const paths = stepped ? UPlot.paths.stepped?.({ align: 1 }) : bars ? UPlot.paths.bars?.({ size: [0.8, 24] }) : undefined;
        return {
          label: name,
          stroke,
          width: bars ? 0 : 2,
          fill: bars ? stroke : stepped ? faded(stroke, 0.12) : undefined,
          points: { show: false },
          ...(paths && { paths }),
        };
      }),
    ],
  };
}
