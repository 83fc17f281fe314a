/** A JSON schema, as far as it is looked into here. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  required?: string[];
  enum?: unknown[];
  [keyword: string]: unknown;
}

/** The OpenAPI document that an API server of Kubernetes serves of itself. */
export interface OpenApi {
  readonly definitions: Readonly<Record<string, Schema>>;
}

/** Schemas by the name of their definition; objects are found by `apiVersion/kind` in `kinds`. */
export interface ObjectSchemas {
  readonly kinds: Readonly<Record<string, string>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

/** Of what the chart makes. */
const KINDS = [
  'v1/ConfigMap',
  'v1/Pod',
  'v1/Service',
  'v1/ServiceAccount',
  'apps/v1/Deployment',
  'batch/v1/Job',
  'autoscaling/v2/HorizontalPodAutoscaler',
  'networking.k8s.io/v1/Ingress',
  'networking.k8s.io/v1/NetworkPolicy',
  'policy/v1/PodDisruptionBudget',
  'gateway.networking.k8s.io/v1/HTTPRoute',
  'keda.sh/v1alpha1/ScaledObject',
  'keda.sh/v1alpha1/TriggerAuthentication',
  'monitoring.coreos.com/v1/PrometheusRule',
  'monitoring.coreos.com/v1/ServiceMonitor',
];

const PREFIX = '#/definitions/';
/** What a schema says that decides of an object. */
const KEYWORDS = new Set(['$ref', 'type', 'format', 'properties', 'additionalProperties', 'items', 'required', 'enum']);

/** Cuts the schemas of the chart's kinds, and what they refer to, out of an API server's document, and makes them strict. */
export function cutSchemas({ definitions }: OpenApi): ObjectSchemas {
  const kinds: Record<string, string> = {};
  for (const [name, schema] of Object.entries(definitions)) {
    const groups = (schema['x-kubernetes-group-version-kind'] ?? []) as { group: string; version: string; kind: string }[];
    for (const { group, version, kind } of groups) {
      const full = [group, version, kind].filter((part) => part !== '').join('/');
      if (KINDS.includes(full)) kinds[full] = name;
    }
  }
  const missing = KINDS.filter((kind) => kinds[kind] === undefined);
  if (missing.length > 0) throw new Error(`the API server knows no ${missing.join(', ')}`);

  const cut: Record<string, Schema> = {};
  const add = (name: string): void => {
    if (cut[name] !== undefined) return;
    cut[name] = {}; // definitions may refer to themselves
    cut[name] = strict(definitions[name]!, add);
  };
  Object.values(kinds).forEach(add);
  return { kinds: sorted(kinds), definitions: sorted(cut) };
}

/** Writes schemas as text: a definition a line, so that a difference can be read. */
export function schemaFile({ kinds, definitions }: ObjectSchemas): string {
  const lines = Object.entries(definitions).map(([name, schema]) => `${JSON.stringify(name)}: ${JSON.stringify(schema)}`);
  return `{"kinds": ${JSON.stringify(kinds, null, 1)},\n"definitions": {\n${lines.join(',\n')}\n}}\n`;
}

function strict(schema: Schema, refersTo: (name: string) => void): Schema {
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) return {};
  if (schema['x-kubernetes-int-or-string'] === true || schema.format === 'int-or-string') return { type: ['integer', 'string'] };
  const result: Schema = Object.fromEntries(Object.entries(schema).filter(([keyword]) => KEYWORDS.has(keyword)));
  delete result.format;
  if (result.$ref !== undefined) refersTo(result.$ref.slice(PREFIX.length));
  if (result.properties !== undefined) {
    result.properties = Object.fromEntries(Object.entries(result.properties).map(([name, one]) => [name, strict(one, refersTo)]));
    result.additionalProperties ??= false;
  }
  if (typeof result.additionalProperties === 'object')
    result.additionalProperties = strict(result.additionalProperties, refersTo);
  if (result.items !== undefined) result.items = strict(result.items, refersTo);
  return result;
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
