/** A migration that a database has. */
export interface AppliedMigration {
  readonly name: string;
  readonly timestamp: number;
  /** Timestamp of the newest migration that code must have to run on a database that has this one; null: of this one. */
  readonly compatibleFrom: number | null;
}

/** How a database's schema stands to what this version of the code knows. */
export interface SchemaState {
  /** Names of the migrations that the database lacks, in order. */
  readonly missing: readonly string[];
  /** Names of the migrations that this version does not know, but may run with. */
  readonly ahead: readonly string[];
  /** Names of the migrations that this version is too old for. */
  readonly tooNew: readonly string[];
}

/**
 * Compares what a database has with what the code knows: ADR 22.
 *
 * @param known the code's own migrations, in order; names end in their timestamps
 */
export function compareSchema(known: readonly string[], applied: readonly AppliedMigration[]): SchemaState {
  const appliedNames = new Set(applied.map(({ name }) => name));
  const knownNames = new Set(known);
  const knownTimestamps = new Set(known.map(timestampOf));
  const unknown = applied.filter(({ name }) => !knownNames.has(name));
  const isCompatible = ({ compatibleFrom, timestamp }: AppliedMigration): boolean =>
    knownTimestamps.has(compatibleFrom ?? timestamp);
  return {
    missing: known.filter((name) => !appliedNames.has(name)),
    ahead: unknown.filter(isCompatible).map(({ name }) => name),
    tooNew: unknown.filter((migration) => !isCompatible(migration)).map(({ name }) => name),
  };
}

/** Returns the timestamp that a migration's name ends in. */
export function timestampOf(name: string): number {
  return Number(name.slice(-13));
}
