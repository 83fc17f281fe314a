import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import type { AgentStatus, StatusChange } from '../api/types';
import { formatDuration, formatMoment } from '../text/time';
import { availableBars, ticksOf } from '../text/timeline';

const MINUTE_MS = 60_000;
const LEAST_SPAN_MS = MINUTE_MS;
/** A pointer that moved less than this has clicked, in pixels. */
const CLICK_PX = 4;
const PIXELS_A_TICK = 90;

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Shows the day of an agent: bars of availability. Dragging zooms, a click picks the moment, the arrow keys move it. */
export function Timeline({
  changes,
  before,
  from,
  to,
  picked,
  onPick,
}: Span & {
  /** Newest first. */
  readonly changes: readonly StatusChange[];
  /** The status when the span began. */
  readonly before: AgentStatus;
  readonly picked: number | undefined;
  readonly onPick: (moment: number) => void;
}): ReactNode {
  const track = useRef<HTMLDivElement>(null);
  const [zoom, setZoom] = useState<Span>();
  const [drag, setDrag] = useState<{ readonly start: number; readonly now: number }>();
  const [width, setWidth] = useState(800);
  useEffect(() => setZoom(undefined), [from]);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 800));
    if (track.current) observer.observe(track.current);
    return () => observer.disconnect();
  }, []);
  const shown = zoom ?? { from, to };
  const span = shown.to - shown.from;
  const percent = (at: number): number => ((Math.min(shown.to, Math.max(shown.from, at)) - shown.from) / span) * 100;
  const bars = availableBars(changes, before, from, to);
  const total = bars.reduce((sum, bar) => sum + bar.to - bar.from, 0);
  const offset = new Date(from).getTimezoneOffset() * MINUTE_MS;
  const now = new Date();

  const momentAt = (event: PointerEvent): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return shown.from + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * span;
  };
  const release = (event: PointerEvent): void => {
    if (!drag) return;
    const end = momentAt(event);
    const [low, high] = drag.start < end ? [drag.start, end] : [end, drag.start];
    setDrag(undefined);
    if (((high - low) / span) * width < CLICK_PX) onPick(end);
    else if (high - low >= LEAST_SPAN_MS) setZoom({ from: low, to: high });
  };
  const step = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -15, PageUp: 15 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    onPick(Math.min(to, Math.max(from, (picked ?? to) + by * MINUTE_MS)));
  };

  return (
    <div className="timeline">
      <div
        ref={track}
        className="timeline-track"
        role="slider"
        tabIndex={0}
        aria-label="The moment to explain"
        aria-valuemin={from}
        aria-valuemax={to}
        aria-valuenow={picked ?? to}
        aria-valuetext={picked === undefined ? 'none picked' : formatMoment(new Date(picked), now)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ start: momentAt(event), now: momentAt(event) });
        }}
        onPointerMove={(event) => drag && setDrag({ ...drag, now: momentAt(event) })}
        onPointerUp={release}
        onPointerCancel={() => setDrag(undefined)}
        onKeyDown={step}
      >
        {bars
          .filter((bar) => bar.to > shown.from && bar.from < shown.to)
          .map((bar) => (
            <span
              key={bar.from}
              className="timeline-bar"
              style={{ left: `${percent(bar.from)}%`, width: `max(2px, ${percent(bar.to) - percent(bar.from)}%)` }}
            />
          ))}
        {drag && (
          <span
            className="timeline-drag"
            style={{
              left: `${percent(Math.min(drag.start, drag.now))}%`,
              width: `${Math.abs(percent(drag.now) - percent(drag.start))}%`,
            }}
          />
        )}
        {picked !== undefined && picked >= shown.from && picked <= shown.to && (
          <span className="timeline-picked" style={{ left: `${percent(picked)}%` }} />
        )}
      </div>
      <div className="timeline-axis muted small" aria-hidden="true">
        {ticksOf(shown.from, shown.to, Math.max(2, Math.floor(width / PIXELS_A_TICK)), offset)
          .filter((tick) => percent(tick) > 2 && percent(tick) < 98)
          .map((tick) => (
            <span key={tick} style={{ left: `${percent(tick)}%` }}>
              {formatMoment(new Date(tick), new Date(tick), 'minute')}
            </span>
          ))}
      </div>
      <p className="muted small timeline-words">
        Available for {formatDuration(total)}, in {bars.length === 1 ? '1 stretch' : `${bars.length} stretches`}. Click to explain
        a moment, drag to zoom.
        {zoom && (
          <button type="button" className="button small" onClick={() => setZoom(undefined)}>
            The whole day
          </button>
        )}
      </p>
    </div>
  );
}
