import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { answerOf, helmTools, type ProgramOutput } from '../../tools/kube/helm.js';
import type { Values } from './value-sets.js';

/** The chart's folder. */
export const CHART = join(process.cwd(), 'deploy', 'helm', 'rollcall');

/** An object of Kubernetes, as far as the tests look. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly spec?: Record<string, unknown>;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
}

export interface Container {
  readonly name: string;
  readonly env?: readonly EnvironmentVariable[];
  readonly [key: string]: unknown;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly [key: string]: unknown;
}

/** Says why the chart cannot be rendered on this machine, if it cannot. */
export function whyHelmIsMissing(): Promise<string | undefined> {
  return helmTools().then(
    () => undefined,
    (error: Error) => `skipped, since there is no Helm: ${error.message}`,
  );
}

/** Returns what Helm shows the person who installs. */
export async function notes(...values: readonly Values[]): Promise<string> {
  const { helm } = await helmTools();
  const input = JSON.stringify(merged(values));
  const env = { ...process.env, KUBECONFIG: '/dev/null' };
  const { ok, stdout, stderr } = await answerOf(helm, ['install', 'rc', CHART, '--dry-run=client', '--values', '-'], {
    input,
    env,
  });
  if (!ok) throw new Error(stderr);
  return stdout.slice(stdout.indexOf('\nNOTES:\n'));
}

/** Renders the chart without asking what is wrong. */
export async function template(...values: readonly Values[]): Promise<ProgramOutput> {
  const { helm } = await helmTools();
  return answerOf(helm, ['template', 'rc', CHART, '--namespace', 'calls', '--values', '-'], {
    input: JSON.stringify(merged(values)),
  });
}

/** @returns the objects of the chart @throws Error with Helm's words */
export async function render(...values: readonly Values[]): Promise<KubeObject[]> {
  const { ok, stdout, stderr } = await template(...values);
  if (!ok) throw new Error(stderr);
  const documents = parseAllDocuments(stdout);
  return documents.map((document) => document.toJS() as KubeObject | null).filter((object) => object !== null);
}

/** Lays values over values, as Helm does it. */
export function merged(values: readonly Values[]): Values {
  return values.reduce<Record<string, unknown>>((under, over) => {
    const result = { ...under };
    for (const [key, value] of Object.entries(over)) {
      const below = under[key];
      result[key] = isMapping(below) && isMapping(value) ? merged([below, value]) : value;
    }
    return result;
  }, {});
}

function isMapping(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the pods that an object brings, if it does. */
export function podOf({ kind, spec }: KubeObject): PodSpec | undefined {
  if (kind === 'Pod') return spec as unknown as PodSpec;
  if (kind === 'Deployment' || kind === 'Job') return (spec as { template: { spec: PodSpec } }).template.spec;
  return undefined;
}
