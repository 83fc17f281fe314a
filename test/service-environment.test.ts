import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SERVICE_ENVIRONMENT } from '../tools/services.js';

it('starts the services of the image as the tests start them', async () => {
  const dockerfile = await readFile(join(import.meta.dirname, '..', 'deploy', 'Dockerfile'), 'utf8');
  const instructions = dockerfile.replaceAll('\\\n', ' ').split('\n');
  const variables = instructions
    .filter((instruction) => instruction.startsWith('ENV '))
    .flatMap((instruction) => [...instruction.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)])
    .map(([, name, quoted, plain]) => [name, quoted ?? plain]);
  expect(Object.fromEntries(variables)).toMatchObject(SERVICE_ENVIRONMENT);
});
