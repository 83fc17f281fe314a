import type { PositionMove, TelemetryPosition, Undecided } from '../log/telemetry-position.repository.js';

/** Where a partition's position goes to with a batch of its records. */
export interface PositionTarget {
  /** The first offset of what is being decided. */
  readonly from: number;
  readonly nextOffset: number;
  readonly asOf: number | null;
  /** What was undecided before and still is afterwards. */
  readonly undecided: Undecided | null;
  /** Why records were rejected, by offset, as far as it is decided by now. */
  readonly rejected: () => Readonly<Record<string, string>>;
}

/** A position on its way: each statement of the batch moves it, and the last one settles it. */
export class PositionMover {
  private settled = false;

  constructor(
    private current: TelemetryPosition,
    private readonly target: PositionTarget,
  ) {}

  /** Returns the position as it is by now. */
  get position(): TelemetryPosition {
    return this.current;
  }

  /** Tells whether the last statement left nothing undecided. */
  get isSettled(): boolean {
    return this.settled;
  }

  next(): PositionMove {
    const { from, nextOffset, asOf, undecided, rejected } = this.target;
    return { before: this.current, from, nextOffset, asOf, undecided, rejected: rejected() };
  }

  /** Notes that the statement of a move has run. @param settled whether it left nothing undecided */
  moved({ before, nextOffset, asOf, undecided, rejected }: PositionMove, settled: boolean): void {
    this.current = { ...before, version: before.version + 1, nextOffset, asOf, undecided, rejected };
    this.settled = settled;
  }
}
