import { endOnSigterm, readSettings } from '#runtime';
import { run } from './src/run.js';

/** `npm run keys`: shows the keys that sign tokens, and has them replaced. Contract §2. */
endOnSigterm();
process.exitCode = await run(process.argv.slice(2), {
  readSettings: () => readSettings(undefined, ['DATABASE_URL', 'DATA_DIR']),
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
});
