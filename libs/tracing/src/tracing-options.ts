import type { SettingName, Settings } from '#runtime';

/** What tracing is set by: contract §8. */
export const TRACING_SETTINGS = [
  'OTEL_SDK_DISABLED',
  'OTEL_TRACES_EXPORTER',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
  'OTEL_EXPORTER_OTLP_TIMEOUT',
  'OTEL_TRACES_SAMPLER',
  'OTEL_TRACES_SAMPLER_ARG',
  'OTEL_SERVICE_NAME',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_BSP_SCHEDULE_DELAY',
  'OTEL_BSP_MAX_QUEUE_SIZE',
] as const satisfies readonly SettingName[];

export type TracingSettings = Partial<Pick<Settings, (typeof TRACING_SETTINGS)[number]>>;

const SAMPLERS = ['always_on', 'always_off', 'traceidratio'] as const;
const PROTOCOLS = ['http/protobuf', 'http/json'] as const;

/** Which traces are recorded. */
export interface Sampling {
  readonly kind: (typeof SAMPLERS)[number];
  /** Whether a trace that somebody else began is recorded where they record it. */
  readonly isParentBased: boolean;
  /** Of traceidratio, from 0 to 1. */
  readonly ratio: number;
}

/** How spans are sent. */
export interface TracingOptions {
  /** Of the collector, with the path. */
  readonly url: string;
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly headers: Readonly<Record<string, string>>;
  /** Longest that the collector may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly sampling: Sampling;
  /** What spans say of the process. */
  readonly resource: Readonly<Record<string, string>>;
  /** From one time that spans are sent to the next, in milliseconds. */
  readonly delayMs: number;
  /** Spans that may wait to be sent. */
  readonly queueSize: number;
}

/** What the settings ask for. */
export interface TracingRequest {
  /** Undefined: nothing is traced. */
  readonly options: TracingOptions | undefined;
  /** What cannot be used, a line each, without values that may be secret. */
  readonly problems: readonly string[];
}

const DEFAULT_ENDPOINT = 'http://localhost:4318';

/**
 * Reads OpenTelemetry's variables. Pure. Nothing is an error: what cannot be used is named, and its default used, or nothing traced.
 *
 * @param service name of the process
 */
export function tracingOptionsOf(settings: TracingSettings, service: string): TracingRequest {
  const problems: string[] = [];
  const off = (problem?: string): TracingRequest => ({ options: undefined, problems: problem === undefined ? [] : [problem] });
  if (settings.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return off();
  const endpoint = endpointOf(settings);
  const exporter = settings.OTEL_TRACES_EXPORTER?.toLowerCase() ?? (endpoint ? 'otlp' : 'none');
  if (exporter === 'none') return off();
  if (exporter !== 'otlp') return off('OTEL_TRACES_EXPORTER: is neither otlp nor none; nothing is traced');
  const { name, url } = endpoint ?? { name: '', url: `${DEFAULT_ENDPOINT}/v1/traces` };
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    return off(`${name}: is no http(s) URL such as ${DEFAULT_ENDPOINT}; nothing is traced`);
  }
  const own = settings.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL;
  const protocol = own ?? settings.OTEL_EXPORTER_OTLP_PROTOCOL ?? PROTOCOLS[0];
  if (!isOneOf(PROTOCOLS, protocol)) {
    const wrong = own === undefined ? 'OTEL_EXPORTER_OTLP_PROTOCOL' : 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL';
    return off(`${wrong}: is none of ${PROTOCOLS.join(', ')}; nothing is traced`);
  }
  const number = (setting: NumberSetting, byDefault: number, most: number): number => {
    const text = settings[setting];
    if (text === undefined) return byDefault;
    if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= most) return Number(text);
    problems.push(`${setting}: is no whole number from 1 to ${most}; ${byDefault} is used`);
    return byDefault;
  };
  const pairs = (setting: PairsSetting): Record<string, string> => {
    const read = pairsOf(settings[setting]);
    if (!read) problems.push(`${setting}: is no list such as key=value,other=value; it is left out`);
    return read ?? {};
  };
  const options: TracingOptions = {
    url,
    protocol,
    headers: { ...pairs('OTEL_EXPORTER_OTLP_HEADERS'), ...pairs('OTEL_EXPORTER_OTLP_TRACES_HEADERS') },
    timeoutMs: number('OTEL_EXPORTER_OTLP_TIMEOUT', 10_000, 600_000),
    sampling: samplingOf(settings, problems),
    resource: {
      'service.name': `rollcall-${service}`,
      'service.namespace': 'rollcall',
      ...pairs('OTEL_RESOURCE_ATTRIBUTES'),
      ...(settings.OTEL_SERVICE_NAME !== undefined && { 'service.name': settings.OTEL_SERVICE_NAME }),
    },
    delayMs: number('OTEL_BSP_SCHEDULE_DELAY', 5000, 3_600_000),
    queueSize: number('OTEL_BSP_MAX_QUEUE_SIZE', 2048, 100_000),
  };
  return { options, problems };
}

type NumberSetting = 'OTEL_EXPORTER_OTLP_TIMEOUT' | 'OTEL_BSP_SCHEDULE_DELAY' | 'OTEL_BSP_MAX_QUEUE_SIZE';
type PairsSetting = 'OTEL_EXPORTER_OTLP_HEADERS' | 'OTEL_EXPORTER_OTLP_TRACES_HEADERS' | 'OTEL_RESOURCE_ATTRIBUTES';

/** The setting for spans alone is a whole URL; the other one is what the path of each signal is put behind. */
function endpointOf(settings: TracingSettings): { readonly name: string; readonly url: string } | undefined {
  const own = settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  if (own !== undefined) return { name: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', url: own };
  const base = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  return base === undefined ? undefined : { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', url: `${base.replace(/\/+$/, '')}/v1/traces` };
}

function samplingOf(settings: TracingSettings, problems: string[]): Sampling {
  const name = settings.OTEL_TRACES_SAMPLER?.toLowerCase() ?? 'parentbased_always_on';
  const isParentBased = name.startsWith('parentbased_');
  const kind = isParentBased ? name.slice('parentbased_'.length) : name;
  if (!isOneOf(SAMPLERS, kind)) {
    problems.push(
      'OTEL_TRACES_SAMPLER: is none of always_on, always_off, traceidratio, parentbased_…; parentbased_always_on is used',
    );
    return { kind: 'always_on', isParentBased: true, ratio: 1 };
  }
  const text = settings.OTEL_TRACES_SAMPLER_ARG;
  if (kind !== 'traceidratio' || text === undefined) return { kind, isParentBased, ratio: 1 };
  const ratio = Number(text);
  if (ratio >= 0 && ratio <= 1) return { kind, isParentBased, ratio };
  problems.push('OTEL_TRACES_SAMPLER_ARG: is no number from 0 to 1; 1 is used');
  return { kind, isParentBased, ratio: 1 };
}

/** Reads `key=value,…`, percent-decoded; undefined where it is none. */
function pairsOf(text: string | undefined): Record<string, string> | undefined {
  const pairs: [string, string][] = [];
  for (const part of (text ?? '').split(',')) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    if (at < 1) return undefined;
    try {
      pairs.push([part.slice(0, at).trim(), decodeURIComponent(part.slice(at + 1).trim())]);
    } catch {
      return undefined; // a % that is no encoding
    }
  }
  return Object.fromEntries(pairs);
}

function isOneOf<T extends string>(values: readonly T[], value: string): value is T {
  return (values as readonly string[]).includes(value);
}
