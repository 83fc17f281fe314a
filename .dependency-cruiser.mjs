// Who may import whom. Each rule is proved by a planted violation in test/boundaries.test.ts.

const TESTS = '\\.(spec|test|conformance)\\.ts$';

/** Only these files may import the package. */
function only(name, packages, allowed, comment) {
  return {
    name,
    severity: 'error',
    comment,
    from: { path: '^(apps|libs)/', pathNot: [TESTS, ...allowed] },
    to: { path: packages.map((one) => `(^|/)node_modules/${one}/`) },
  };
}

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycle',
      severity: 'error',
      comment: 'The path reads one way.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-app-to-app',
      severity: 'error',
      comment: 'Services share nothing but libs; only the all-in-one imports how each is started.',
      from: { path: '^apps/([^/]+)/', pathNot: ['^apps/all-in-one/'] },
      to: { path: '^apps/', pathNot: ['^apps/$1/'] },
    },
    {
      name: 'console-stands-alone',
      severity: 'error',
      comment: 'The console runs in a browser and knows the services by their HTTP interface alone.',
      from: { path: '^apps/console/' },
      to: { path: '^(libs|tools|test|bench)/' },
    },
    {
      name: 'all-in-one-imports-start-only',
      severity: 'error',
      comment: 'The all-in-one starts the services; it does not reach into them.',
      from: { path: '^apps/all-in-one/' },
      to: { path: '^apps/(?!all-in-one/)', pathNot: ['^apps/[^/]+/src/start\\.ts$'] },
    },
    {
      name: 'no-lib-to-app',
      severity: 'error',
      comment: 'Libs know nothing of the services.',
      from: { path: '^libs/' },
      to: { path: '^(apps|tools)/' },
    },
    {
      name: 'contracts-import-schema-libraries-only',
      severity: 'error',
      comment: 'What the services share of each other stands on nothing but zod, and ajv, which compiles its schemas.',
      from: { path: '^libs/contracts/', pathNot: [TESTS] },
      to: { pathNot: ['^libs/contracts/', '(^|/)node_modules/(zod|ajv)/'] },
    },
    {
      name: 'libs-by-their-index',
      severity: 'error',
      comment: 'A lib is used through its one index.',
      from: { path: '^(?:apps|libs)/([^/]+)/', pathNot: [TESTS] },
      to: { path: '^libs/([^/]+)/src/(?!index\\.ts$)', pathNot: ['^libs/$1/'] },
    },
    {
      name: 'features-by-their-module',
      severity: 'error',
      comment: 'A feature of subscription-api is used through what its module file exports.',
      from: { path: '^apps/subscription-api/src/([^/]+)', pathNot: [TESTS] },
      to: {
        path: '^apps/subscription-api/src/[^/]+/',
        pathNot: ['^apps/subscription-api/src/($1|http|api-docs)/', '^apps/subscription-api/src/[^/]+/[^/]+\\.module\\.ts$'],
      },
    },
    only('kafkajs-in-bus', ['kafkajs'], ['^libs/bus/'], 'The bus is a seam; only its lib knows what carries it.'),
    only(
      'sql-in-repositories',
      ['typeorm', 'pg', '@nestjs/typeorm'],
      ['^libs/database/', '\\.repository\\.ts$', '\\.module\\.ts$'],
      'SQL stands in repositories.',
    ),
    only(
      'http-client-in-webhook-client',
      ['axios', 'undici'],
      ['^libs/webhook/src/webhook\\.client\\.ts$'],
      'Requests to strangers leave through one client, where the address guard is.',
    ),
    only(
      'opentelemetry-in-tracing',
      ['@opentelemetry/[^/]+'],
      ['^libs/tracing/'],
      'Spans are made by hops of one lib, which alone knows whether there is an SDK.',
    ),
    {
      name: 'no-missing-dependency',
      severity: 'error',
      comment: 'What is imported is in package.json.',
      // The console's packages are built into its files: nothing of them is there at run time.
      from: { path: '^(apps|libs)/', pathNot: [TESTS, '^apps/console/'] },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      comment: 'Every import leads somewhere.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['rollcall-source', 'types', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.json', '.d.ts'],
    },
  },
};
