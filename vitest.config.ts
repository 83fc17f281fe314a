import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The sources of the libs, where Node itself would take dist (package.json "imports").
  resolve: { alias: [{ find: /^#([a-z]+)$/, replacement: fileURLToPath(new URL('libs/$1/src/index.ts', import.meta.url)) }] },
  test: {
    include: ['{apps,bench,libs,test,tools}/**/*.{spec,test}.ts'],
    globalSetup: ['test/support/postgres.ts', 'test/support/kafka.ts'],
    setupFiles: ['reflect-metadata'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
