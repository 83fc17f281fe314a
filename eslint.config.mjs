import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const EXPORTS = [
  { selector: 'ExportAllDeclaration', message: 'Name what a file exports.' },
  { selector: 'ExportDefaultDeclaration', message: 'Use a named export.' },
];

/** The start of a statement at the start of a text or of a line of it; or what only SQL has. */
const STATEMENT =
  /(^|\n)\s*(select\s|insert\s+into\s|update\s+[\w.]+\s|delete\s+from\s|with\s+\w+\s+as\s|(left\s+)?join\s)|\bjson_agg\(|\bto_timestamp\(/;
const IN_REPOSITORY = 'SQL stands in a *.repository.ts.';
const SQL = [
  { selector: `TemplateElement[value.cooked=${STATEMENT}]`, message: IN_REPOSITORY },
  { selector: `Literal[value=${STATEMENT}]`, message: IN_REPOSITORY },
];

export default tseslint.config(
  {
    ignores: ['dist/', 'node_modules/', 'coverage/', '.cache/', '.rollcall/', 'deploy/helm/', 'apps/console/src/api/schemas.ts'],
  },
  js.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'max-lines': ['error', { max: 400 }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'off', // decorator metadata needs value imports
      '@typescript-eslint/no-extraneous-class': 'off', // Nest modules
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      'no-restricted-syntax': ['error', ...EXPORTS],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Settings are read in libs/runtime/src/config.ts alone.' },
      ],
    },
  },
  {
    // The one reader of settings; tools and tests start processes, and hand them their environment.
    files: [
      'libs/runtime/src/config.ts',
      'libs/database/src/embedded-postgres.ts',
      'tools/**',
      'test/**',
      'bench/**',
      '**/*.{spec,test}.ts',
      '**/*.config.ts',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    // A statement is found by the file's name. libs/database is SQL's own lib.
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['libs/database/**', '**/*.repository.ts', '**/*.{spec,test}.ts', '**/test/**', 'apps/console/**'],
    rules: { 'no-restricted-syntax': ['error', ...EXPORTS, ...SQL] },
  },
  {
    files: ['**/*.config.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    // What runs in a page.
    files: ['libs/openapi/src/page/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        ['AbortController', 'Headers', 'Response', 'TextDecoder', 'clearTimeout', 'document', 'fetch', 'setTimeout'].map(
          (name) => [name, 'readonly'],
        ),
      ),
    },
  },
  {
    files: ['packages/**/*.js'],
    languageOptions: { globals: { Buffer: 'readonly', URLSearchParams: 'readonly', console: 'readonly' } },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        setInterval: 'readonly',
        fetch: 'readonly',
        AbortSignal: 'readonly',
      },
    },
  },
);
