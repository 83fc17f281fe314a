export { createDataSource, MIGRATIONS, poolOf, type DatabaseOptions } from './data-source.js';
export { EmbeddedPostgres, EmbeddedPostgresError } from './embedded-postgres.js';
export { assertSchemaCurrent, migrate } from './migrate.js';
export { createSealer, type Sealer } from './sealing.js';
