// Preloaded into a service by a test (NODE_OPTIONS=--import): at SIGUSR2 it collects garbage and says what is still in use.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGUSR2', () => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`heap-probe: ${heapUsed + external}\n`);
});
