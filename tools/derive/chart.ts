import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, isScalar, parseDocument, type Pair, type YAMLMap } from 'yaml';
import { describeSettings } from '#runtime';

const CHART = 'deploy/helm/rollcall';

/**
 * Settings that the chart sets by values of their own, since more follows from them than a variable: a volume, a port, a policy, a
 * Secret. All others are set by name, under `settings`.
 */
const SET_BY_VALUES = [
  /^DATABASE_(URL|READ_URL|POOL)$/,
  /^KAFKA_/,
  /^(ENCRYPTION_KEY(_PREVIOUS)?|BOOTSTRAP_APPS|ALLOW_DESTINATIONS|DESTINATION_PORTS|SHUTDOWN_DELAY|OPERATIONS_PORT)$/,
  /^(SUBSCRIPTION_API|PRESENCE|DISPATCHER)_PORT$/,
];

/** One value of the chart, or a whole of values that is described as one. */
interface ChartValue {
  readonly path: readonly string[];
  readonly description: string;
  readonly byDefault: unknown;
}

interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  [keyword: string]: unknown;
}

/** What alerts and the dashboard are: a chart can read no file beyond its own directory. */
const OBSERVABILITY = 'deploy/observability';

/**
 * Makes what follows from the chart's values.yaml and the settings: the schema's descriptions and the README's table; and the alerts and
 * the dashboard, which stand in {@link OBSERVABILITY} for those who have no chart.
 */
export async function chartFiles(root: string): Promise<Readonly<Record<string, string>>> {
  const read = (file: string) => readFile(join(root, CHART, file), 'utf8');
  const values = describedValues(await read('values.yaml'));
  return {
    [`${CHART}/values.schema.json`]: `${JSON.stringify(describeSchema(JSON.parse(await read('values.schema.json')) as Schema, values), null, 2)}\n`,
    [`${CHART}/files/alerts.yaml`]: await readFile(join(root, OBSERVABILITY, 'alerts.yaml'), 'utf8'),
    [`${CHART}/files/dashboard.json`]: await readFile(join(root, OBSERVABILITY, 'dashboard.json'), 'utf8'),
    [`${CHART}/README.md`]: withTable(await read('README.md'), values),
  };
}

/** Reads values with the comments that describe them, `# -- …`. @throws Error that names a value without one */
function describedValues(yaml: string): ChartValue[] {
  const { contents } = parseDocument(yaml);
  if (!isMap(contents)) throw new Error('values.yaml is no mapping');
  return [...valuesOf(contents, [])];
}

function* valuesOf(map: YAMLMap, path: readonly string[]): Generator<ChartValue> {
  for (const [index, pair] of map.items.entries()) {
    const { key, value } = pair as Pair<{ commentBefore?: string | null; value: string }, unknown>;
    const here = [...path, key.value];
    // What stands before the first key stands before the whole.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
    const description = /(?:^|\n) -- ([^]+)$/
      .exec(comment ?? '')?.[1]
      ?.replaceAll(/\s+/g, ' ')
      .trim();
    if (description === undefined && isMap(value)) yield* valuesOf(value, here);
    else if (description === undefined) throw new Error(`values.yaml: ${here.join('.')} lacks a comment that begins with --`);
    else yield { path: here, description, byDefault: isScalar(value) ? value.value : (value as YAMLMap).toJSON() };
  }
}

function describeSchema(schema: Schema, values: readonly ChartValue[]): Schema {
  for (const { path, description } of values) schemaAt(schema, path).description = description;
  const settings = schemaAt(schema, ['settings']);
  settings.properties = {};
  for (const { name, description } of describeSettings()) {
    if (SET_BY_VALUES.some((own) => own.test(name))) continue;
    settings.properties[name] = { type: ['string', 'integer', 'boolean'], description };
  }
  return schema;
}

function schemaAt(schema: Schema, path: readonly string[]): Schema {
  return path.reduce((at, key) => {
    const below = at.properties?.[key];
    if (below === undefined) throw new Error(`values.schema.json lacks ${path.join('.')}`);
    return below;
  }, schema);
}

function withTable(readme: string, values: readonly ChartValue[]): string {
  const rows = values.map(
    ({ path, description, byDefault }) => `| \`${path.join('.')}\` | \`${JSON.stringify(byDefault)}\` | ${description} |`,
  );
  const table = ['| value | default | what |', '|---|---|---|', ...rows].join('\n');
  return readme.replace(
    /(<!-- values: npm run derive -->\n)[^]*?(<!-- end of values -->)/,
    (_, start, end) => `${start}\n${table}\n\n${end}`,
  );
}
