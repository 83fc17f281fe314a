import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const OUT = join(import.meta.dirname, '..', '..', 'dist', 'apps', 'console');

/** Writes each file that compresses well beside itself as `.br` and `.gz`, which subscription-api then serves as they are. */
function precompress(): Plugin {
  const compress = { br: promisify(brotliCompress), gz: promisify(gzip) };
  return {
    name: 'precompress',
    apply: 'build',
    closeBundle: async () => {
      const names = (await readdir(OUT, { recursive: true })).filter((name) => /\.(js|css|svg|html)$/.test(name));
      const written = names.flatMap((name) =>
        Object.entries(compress).map(async ([ending, run]) =>
          writeFile(join(OUT, `${name}.${ending}`), await run(await readFile(join(OUT, name)))),
        ),
      );
      await Promise.all(written);
    },
  };
}

/** Where a running product is reached, for `npm run dev:console`. */
const PRODUCT = process.env['ROLLCALL_URL'] ?? 'http://127.0.0.1:3000';

export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  plugins: [react(), precompress()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false }, // it would be an inline script's work
    assetsInlineLimit: 0, // data: is not in the content security policy
    manifest: true,
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: { '^/(api|oauth)/': PRODUCT, '^/console/(config.json|playground/.)': PRODUCT } },
  logLevel: 'warn',
});
