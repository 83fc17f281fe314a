export { createDataSource, MIGRATIONS, poolOf, type DatabaseOptions } from './data-source.js';
export { EmbeddedPostgres, EmbeddedPostgresError } from './embedded-postgres.js';
export { assertSchemaCurrent, migrate } from './migrate.js';
export { createSealer, type Sealer } from './sealing.js';
export { connectDatabase } from './connect.js';
export { AgentEventEntity } from './entities/agent-event.entity.js';
export { ApplicationEntity } from './entities/application.entity.js';
export { WebhookSecretEntity } from './entities/webhook-secret.entity.js';
export type { Pool } from 'pg';
