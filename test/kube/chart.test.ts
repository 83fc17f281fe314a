import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeSettings } from '#runtime';
import { isPublicAddress } from '#webhook';
import { DISPATCHER_SETTINGS } from '../../apps/dispatcher/src/settings.js';
import { PRESENCE_SETTINGS } from '../../apps/presence/src/settings.js';
import { SUBSCRIPTION_API_SETTINGS } from '../../apps/subscription-api/src/settings.js';
import { createTestDatabase } from '../support/postgres.js';
import { CHART, notes, podOf, render, template, whyHelmIsMissing, type KubeObject, type PodSpec } from './chart.js';
import { strictSchemas } from './strict-schemas.js';
import { BAD_VALUES, REQUIRED, VALUE_SETS, type Values } from './value-sets.js';

const missing = await whyHelmIsMissing();

/** What the chart sets beside settings: variables of Node.js itself, and those that a set brings along. */
const NO_SETTINGS = ['NODE_EXTRA_CA_CERTS', 'POD_NAME'];

/** Of contract §8: they are named by the chart, and read by the services as soon as config.ts has them. */
const OF_THE_CONTRACT = [
  ...['KAFKA_PREFIX', 'KAFKA_SSL', 'KAFKA_SSL_CA', 'KAFKA_SSL_CERT', 'KAFKA_SSL_KEY', 'KAFKA_SASL_MECHANISM'],
  ...['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD', 'KAFKA_SASL_TOKEN_URL', 'KAFKA_SASL_CLIENT_ID', 'KAFKA_SASL_CLIENT_SECRET'],
  ...['KAFKA_SASL_SCOPE', 'SHUTDOWN_DELAY', 'OPERATIONS_PORT', 'DATABASE_READ_URL'],
];

describe.skipIf(missing !== undefined)(
  `the Helm chart${missing === undefined ? '' : ` (${missing})`}`,
  { timeout: 60_000 },
  () => {
    const everySet = async () => Promise.all(Object.values(VALUE_SETS).map((values) => render(REQUIRED, values)));

    it.each(Object.entries(VALUE_SETS))(
      "makes valid objects of Kubernetes', KEDA's and Prometheus' kinds: %s",
      async (_, values) => {
        const problemsOf = await strictSchemas();
        const objects = await render(REQUIRED, values);
        for (const object of objects) expect(problemsOf(object), `${object.kind} ${object.metadata.name}`).toEqual([]);
        const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
        expect(new Set(names).size).toBe(names.length);
        expect(objects.map(({ kind }) => kind)).not.toContain('Secret');
      },
    );

    it('finds what is wrong in an object, so that its silence says something', async () => {
      const problemsOf = await strictSchemas();
      const objects = await render(REQUIRED);
      const budget = find(objects, 'PodDisruptionBudget', 'rc-rollcall-presence');
      expect(problemsOf({ ...budget, spec: { ...budget.spec, maxUnavailble: 1 } })).toEqual([
        expect.stringContaining('maxUnavailble'),
      ]);
      const deployment = structuredClone(find(objects, 'Deployment', 'rc-rollcall-presence'));
      Object.assign(podOf(deployment)!.containers[0]!, { ports: [{ containerPort: '3001' }] });
      expect(problemsOf(deployment)).toEqual([expect.stringContaining('/containerPort')]);
    });

    it.each(BAD_VALUES)('refuses %s, and names the key', async (_, values, named) => {
      const { ok, stderr } = await template(REQUIRED, values);
      expect(ok).toBe(false);
      expect(stderr).toContain(named);
    });

    it('refuses to be installed with nothing said, and names all that is required', async () => {
      const { ok, stderr } = await template();
      expect(ok).toBe(false);
      for (const key of ['/kafka/brokers', '/database/existingSecret', '/encryptionKey/existingSecret'])
        expect(stderr).toContain(key);
    });

    it('sets no variable that is no setting', async () => {
      const settings = new Set([...describeSettings().map(({ name }) => name), ...OF_THE_CONTRACT, ...NO_SETTINGS]);
      expect([...(await variablesOf(everySet()))].filter((name) => !settings.has(name))).toEqual([]);
    });

    it('can set every setting', async () => {
      const schema = JSON.parse(await readFile(join(CHART, 'values.schema.json'), 'utf8')) as {
        properties: { settings: { properties: Record<string, unknown> } };
      };
      const byName = Object.keys(schema.properties.settings.properties);
      const byValue = await variablesOf(everySet());
      const all = describeSettings().map(({ name }) => name);
      expect(all.filter((name) => !byName.includes(name) && !byValue.has(name))).toEqual([]);
      const [deployment] = (await render(REQUIRED, { settings: { RATE_LIMIT: '9/1s', AGENT_EVENT_LIMIT: 2500000 } })).filter(
        isDeployment,
      );
      expect(podOf(deployment!)!.containers[0]!.env).toEqual(
        expect.arrayContaining([
          { name: 'RATE_LIMIT', value: '9/1s' },
          { name: 'AGENT_EVENT_LIMIT', value: '2500000' },
        ]),
      );
    });

    it('hands secrets only to the roles that read them', async () => {
      const objects = await render(REQUIRED, VALUE_SETS['certificates, a replica and applications']!);
      const read = {
        'subscription-api': SUBSCRIPTION_API_SETTINGS,
        presence: PRESENCE_SETTINGS,
        dispatcher: DISPATCHER_SETTINGS,
      } as Record<string, readonly string[]>;
      for (const [role, settings] of Object.entries(read)) {
        const names = (podOf(find(objects, 'Deployment', `rc-rollcall-${role}`))!.containers[0]!.env ?? []).map(
          ({ name }) => name,
        );
        for (const secret of ['ENCRYPTION_KEY', 'BOOTSTRAP_APPS']) {
          expect(names.includes(secret), `${secret} of ${role}`).toBe(settings.includes(secret));
        }
      }
    });

    it('gives each probe, Service, policy and monitor a port that its pods have', async () => {
      for (const objects of await everySet()) {
        for (const deployment of objects.filter(isDeployment)) {
          const [container] = podOf(deployment)!.containers;
          const ports = (container!['ports'] as { name: string; containerPort: number }[]).map(({ name }) => name);
          for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
            expect(ports).toContain((container![probe] as { httpGet: { port: string } }).httpGet.port);
          }
          for (const service of objects.filter(
            ({ kind, spec }) => kind === 'Service' && selects(spec!['selector'], deployment),
          )) {
            for (const { targetPort } of service.spec!['ports'] as { targetPort: string }[]) expect(ports).toContain(targetPort);
          }
        }
        const named = objects
          .filter(({ kind }) => kind === 'Service')
          .flatMap(({ spec }) => (spec!['ports'] as { name: string }[]).map(({ name }) => name));
        for (const { spec } of objects.filter(({ kind }) => kind === 'ServiceMonitor')) {
          for (const { port } of spec!['endpoints'] as { port: string }[]) expect(named).toContain(port);
        }
      }
    });

    it('puts every pod under one policy and every role under one budget, unless told not to', async () => {
      const objects = await render(REQUIRED);
      for (const workload of objects.filter(({ kind }) => kind === 'Deployment' || kind === 'Job')) {
        const policies = objects.filter(
          ({ kind, spec }) => kind === 'NetworkPolicy' && selects(matchLabels(spec!['podSelector']), workload),
        );
        expect(policies.map(({ spec }) => spec!['policyTypes'])).toEqual([['Ingress', 'Egress']]);
        const budgets = objects.filter(
          ({ kind, spec }) => kind === 'PodDisruptionBudget' && selects(matchLabels(spec!['selector']), workload),
        );
        expect(budgets).toHaveLength(workload.kind === 'Deployment' ? 1 : 0);
      }
      const off = await render(REQUIRED, VALUE_SETS['everything off']!);
      expect(off.map(({ kind }) => kind).filter((kind) => kind === 'NetworkPolicy' || kind === 'PodDisruptionBudget')).toEqual(
        [],
      );
    });

    it('lets a pod end in its time: the delay, and what a service gives its orderly stop', async () => {
      for (const shutdownDelaySeconds of [0, 10, 120]) {
        for (const deployment of (await render(REQUIRED, { shutdownDelaySeconds })).filter(isDeployment)) {
          const pod = podOf(deployment)!;
          expect(pod.containers[0]!.env).toContainEqual({ name: 'SHUTDOWN_DELAY', value: `${shutdownDelaySeconds}s` });
          expect(pod['terminationGracePeriodSeconds']).toBeGreaterThan(shutdownDelaySeconds + 25);
        }
      }
    });

    it('leaves the number of pods to whoever scales them', async () => {
      const replicasBy = async (set: string) =>
        Object.fromEntries(
          (await render(REQUIRED, VALUE_SETS[set]!))
            .filter(isDeployment)
            .map(({ metadata, spec }) => [metadata.name, spec!['replicas']]),
        );
      expect(Object.values(await replicasBy('autoscaled by processor time'))).toEqual([undefined, undefined, undefined]);
      expect(await replicasBy('Kafka by client certificate')).toEqual({ 'rc-rollcall-subscription-api': 2 });
      const objects = await render(REQUIRED, VALUE_SETS['autoscaled by lag']!);
      const scaled = objects.filter(({ kind }) => kind === 'ScaledObject' || kind === 'HorizontalPodAutoscaler');
      expect(scaled.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()).toEqual([
        'HorizontalPodAutoscaler rc-rollcall-subscription-api',
        'ScaledObject rc-rollcall-dispatcher',
        'ScaledObject rc-rollcall-presence',
      ]);
    });

    it('has KEDA ask the database for the age of the oldest delivery that is due', async () => {
      const scaled = find(await render(REQUIRED, { keda: { enabled: true } }), 'ScaledObject', 'rc-rollcall-dispatcher');
      const triggers = scaled.spec!['triggers'] as { type: string; metadata: { query: string } }[];
      const { query } = triggers.find(({ type }) => type === 'postgresql')!.metadata;
      const database = await createTestDatabase();
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      try {
        const age = async () => Number(Object.values<unknown>((await client.query<Record<string, unknown>>(query)).rows[0]!)[0]);
        expect(await age()).toBe(0);
        await client.query(
          `insert into dispatch.behind (agent_event_id, client_id, agent_id, hash, next_sequence, due_at)
           select 1, 1, n + 10, 1, 1, now() + n * interval '1 minute' from generate_series(-2, 2) n
           union all select 2, 1, 1, 1, 1, now() - interval '1 hour'`,
        );
        // More dispatchers are of no help to an endpoint that fails.
        await client.query(`insert into dispatch.event_health (agent_event_id, failing_since) values (2, now())`);
        const due = await age();
        expect([due >= 120, due < 1800]).toEqual([true, true]);
      } finally {
        await client.end();
        await database.drop();
      }
    });

    it('leads the public paths of subscription-api outside, and nothing else', async () => {
      const paths = ['/api', '/oauth', '/.well-known', '/console', '/'];
      const { spec } = find(await render(REQUIRED, VALUE_SETS['ingress']!), 'Ingress', 'rc-rollcall');
      for (const { http } of spec!['rules'] as {
        http: { paths: { path: string; pathType: string; backend: { service: { name: string } } }[] };
      }[]) {
        expect(http.paths.map(({ path }) => path)).toEqual(paths);
        expect(http.paths.at(-1)!.pathType).toBe('Exact');
        for (const { backend } of http.paths) expect(backend.service.name).toBe('rc-rollcall-subscription-api');
      }
      const route = find(await render(REQUIRED, VALUE_SETS['gateway']!), 'HTTPRoute', 'rc-rollcall');
      const [rule] = route.spec!['rules'] as { matches: { path: { value: string } }[]; backendRefs: { name: string }[] }[];
      expect(rule!.matches.map(({ path }) => path.value)).toEqual(paths);
      expect(rule!.backendRefs.map(({ name }) => name)).toEqual(['rc-rollcall-subscription-api']);
    });

    it('lets notifications out to the addresses that the guard lets through, and to those exempt', async () => {
      const objects = await render(REQUIRED, { destinations: { allow: ['10.20.0.0/16', '192.168.7.7', 'fd00::1'] } });
      const egress = find(objects, 'NetworkPolicy', 'rc-rollcall-dispatcher').spec!['egress'] as {
        to?: { ipBlock?: IpBlock }[];
        ports?: unknown;
      }[];
      const blocks = egress.filter(({ ports }) => ports === undefined).flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!));
      for (const address of ['10.20.255.1', '192.168.7.7', 'fd00::1']) expect(isLetOut(blocks, address), address).toBe(true);
      for (const address of ['10.21.0.1', '192.168.7.8', 'fd00::2', '127.0.0.1', '169.254.169.254', '168.63.129.16', '::1']) {
        expect(isLetOut(blocks, address), address).toBe(false);
      }
      const ofPublic = blocks.slice(0, 2);
      const everywhere = fc.oneof(fc.ipV4(), fc.ipV6(), nearTheReserved);
      fc.assert(
        fc.property(everywhere, (address) => {
          // NAT64 and IPv4-mapped forms end at an IPv4 address, elsewhere.
          fc.pre(ipaddr.parse(address).kind() === 'ipv4' || address.startsWith('2'));
          expect(isLetOut(ofPublic, address), address).toBe(isPublicAddress(address));
        }),
        { numRuns: 2000 },
      );
    });

    it('migrates before the rest is there: by hooks that need nothing of the release', async () => {
      const objects = await render(REQUIRED);
      const job = objects.find(({ kind }) => kind === 'Job')!;
      expect(job.metadata.annotations).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade' });
      expect(podOf(job)!['serviceAccountName']).toBe('default');
      const policy = find(objects, 'NetworkPolicy', 'rc-rollcall-migrate').metadata.annotations!;
      expect(policy['helm.sh/hook']).toBe('pre-install,pre-upgrade');
      expect(Number(policy['helm.sh/hook-weight'])).toBeLessThan(Number(job.metadata.annotations!['helm.sh/hook-weight']));
    });

    it('gives a plain migration another name when its pod is another, since a Job cannot be changed', async () => {
      const jobOf = async (tag: string) =>
        (await render(REQUIRED, { migration: { mode: 'job' }, image: { tag } })).find(({ kind }) => kind === 'Job')!;
      const [one, again, other] = [await jobOf('1'), await jobOf('1'), await jobOf('2')];
      expect(one.metadata).toEqual(again.metadata);
      expect(one.metadata.annotations).toBeUndefined();
      expect(other.metadata.name).not.toBe(one.metadata.name);
    });

    it('says how the first application is made, and warns of what is unsafe', async () => {
      const plain = await notes(REQUIRED, VALUE_SETS['ingress for any host']!);
      expect(plain).toContain('node dist/apps/cli/main.js applications create platform');
      for (const key of ['kafka.tls', 'ingress.tls', 'ingress.hosts', 'settings.PUBLIC_URL'])
        expect(plain).toContain(`- ${key}: `);
      const safe = await notes(REQUIRED, VALUE_SETS['managed Kafka by TLS and SCRAM']!, {
        bootstrapApps: { existingSecret: 'apps' },
      });
      expect(safe).toContain('Secret apps are made at start');
      expect(safe).not.toContain('Not as safe');
    });

    it('renders the installations that docs/kubernetes.md shows', async () => {
      const guide = await readFile(join(process.cwd(), 'docs', 'kubernetes.md'), 'utf8');
      const shown = [...guide.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, yaml]) => parse(yaml!) as Values);
      expect(shown.length).toBe(2);
      const problemsOf = await strictSchemas();
      for (const values of shown) {
        for (const object of await render({ encryptionKey: REQUIRED['encryptionKey'] }, values))
          expect(problemsOf(object)).toEqual([]);
      }
    });

    it('names nothing longer than names may be', async () => {
      const longest = [{ fullnameOverride: 'a'.repeat(35) }, { nameOverride: 'b'.repeat(60) }];
      for (const { metadata } of (await Promise.all(longest.map((values) => render(REQUIRED, values)))).flat()) {
        expect(metadata.name.length, metadata.name).toBeLessThanOrEqual(63);
      }
    });
  },
);

it('finds Helm where tests are asked to be whole', () => {
  const mustBeWhole = process.env['CI'] === 'true' || process.env['REQUIRE_HELM'] === '1';
  expect(mustBeWhole ? missing : undefined).toBeUndefined();
});

/** Addresses of IPv6's public part, and many next to its ranges that are not. */
const nearTheReserved = fc
  .tuple(
    fc.oneof(fc.constantFrom(0x2001, 0x2002, 0x3fff), fc.integer({ min: 0x1fff, max: 0x4000 })),
    fc.integer({ min: 0, max: 0xffff }),
    fc.nat(0x3ff),
  )
  .map(([first, second, small]) => `${first.toString(16)}:${(second & small).toString(16)}:${second.toString(16)}::1`);

interface IpBlock {
  readonly cidr: string;
  readonly except?: readonly string[];
}

function isLetOut(blocks: readonly IpBlock[], address: string): boolean {
  const parsed = ipaddr.parse(address);
  const isIn = (cidr: string) => {
    const [range, bits] = ipaddr.parseCIDR(cidr);
    return range.kind() === parsed.kind() && parsed.match([range, bits] as never);
  };
  return blocks.some(({ cidr, except = [] }) => isIn(cidr) && !except.some(isIn));
}

function isDeployment({ kind }: KubeObject): boolean {
  return kind === 'Deployment';
}

function find(objects: readonly KubeObject[], kind: string, name: string): KubeObject {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

function matchLabels(selector: unknown): unknown {
  return (selector as { matchLabels: unknown }).matchLabels;
}

function selects(selector: unknown, workload: KubeObject): boolean {
  const { labels } = (workload.spec as { template: { metadata: { labels: Record<string, string> } } }).template.metadata;
  return Object.entries(selector as Record<string, string>).every(([key, value]) => labels[key] === value);
}

/** Names of the variables of every container, those of files (`…_FILE`) as the settings that they hold. */
async function variablesOf(sets: Promise<readonly (readonly KubeObject[])[]>): Promise<Set<string>> {
  const pods = (await sets)
    .flat()
    .map(podOf)
    .filter((pod): pod is PodSpec => pod !== undefined);
  return new Set(
    pods.flatMap(({ containers }) => containers.flatMap(({ env = [] }) => env.map(({ name }) => name.replace(/_FILE$/, '')))),
  );
}
