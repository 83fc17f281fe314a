import { endOnSigterm } from '#runtime';
import { runCli } from './src/run.js';

/** `npm run cli`: what operators do to a database by hand. */
endOnSigterm();
process.exitCode = await runCli(process.argv.slice(2), {
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
});
