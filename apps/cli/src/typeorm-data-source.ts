import { createDataSource, databaseUrlOf } from '#database';
import { readSettings } from '#runtime';

const url = await databaseUrlOf(readSettings(undefined, ['DATABASE_URL', 'DATA_DIR']), 'the database to look at');

/** The one data source that TypeORM's own command line takes with `-d`: ADR 33. Operators use `cli migrate`. */
export const dataSource = createDataSource({ url, applicationName: 'rollcall-typeorm', poolSize: 1 });
// It tells what it finds by the logger, which the services have silenced.
dataSource.setOptions({ logger: 'advanced-console' });
