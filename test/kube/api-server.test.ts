import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlPlane, goModule } from '../../tools/kube/control-plane.js';
import { answerOf, helmTools } from '../../tools/kube/helm.js';
import { CHART, merged, podOf, render, type KubeObject } from './chart.js';
import { cutSchemas, schemaFile } from './schemas.js';
import { REQUIRED, VALUE_SETS, type Values } from './value-sets.js';

/** `npm run test:kube`: the chart before a real API server of Kubernetes. Nothing runs the pods. */
const isAsked = process.env['KUBE_API_SERVER'] === '1';
const BUILD_TIMEOUT_MS = 30 * 60_000;

const KEDA = 'github.com/kedacore/keda/v2@v2.21.0';
const PROMETHEUS_OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';
const GATEWAY_API = 'sigs.k8s.io/gateway-api@v1.4.1';

describe.runIf(isAsked)('the chart before a real API server', { timeout: 120_000 }, () => {
  let controlPlane: ControlPlane;
  let env: NodeJS.ProcessEnv;

  const kubectl = async (args: readonly string[], input?: string) =>
    answerOf((await helmTools()).kubectl, args, { env, ...(input === undefined ? {} : { input }) });
  const helm = async (args: readonly string[], values: Values = {}) =>
    answerOf((await helmTools()).helm, [...args, '--values', '-'], { env, input: JSON.stringify(merged([REQUIRED, values])) });

  async function must(answer: ReturnType<typeof answerOf>): Promise<string> {
    const { ok, stdout, stderr } = await answer;
    if (!ok) throw new Error(stderr);
    return stdout;
  }

  const dryRun = (namespace: string, objects: readonly unknown[]) =>
    kubectl(
      ['apply', '--dry-run=server', '--validate=strict', '-n', namespace, '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );

  beforeAll(async () => {
    controlPlane = await ControlPlane.start({ say: (line) => process.stderr.write(`${line}\n`) });
    env = { ...process.env, KUBECONFIG: controlPlane.kubeconfig };
    const folders = [
      join(await goModule(KEDA), 'config', 'crd', 'bases'),
      join(await goModule(PROMETHEUS_OPERATOR), 'example', 'prometheus-operator-crd'),
      join(await goModule(GATEWAY_API), 'config', 'crd', 'standard'),
    ];
    for (const folder of folders) await must(kubectl(['apply', '--server-side', '-f', folder]));
    await must(kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=60s']));
    await must(kubectl(['create', 'namespace', 'calls']));
    await must(kubectl(['create', 'namespace', 'strict']));
    await must(kubectl(['label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=restricted']));
  }, BUILD_TIMEOUT_MS);

  afterAll(() => controlPlane?.stop());

  it('writes the schemas that the short tests hold the chart against', async () => {
    const document = JSON.parse(await must(kubectl(['get', '--raw', '/openapi/v2']))) as never;
    await expect(schemaFile(cutSchemas(document))).toMatchFileSnapshot('schemas.json');
  });

  it.each(Object.entries(VALUE_SETS))('accepts every object of: %s', async (_, values) => {
    const objects = await render(REQUIRED, values);
    expect((await must(dryRun('calls', objects))).trim().split('\n')).toHaveLength(objects.length);
  });

  it.each(Object.entries(VALUE_SETS))('finds the pods "restricted" of: %s', async (_, values) => {
    const pods = podsOf(await render(REQUIRED, values), 'strict');
    expect(pods.length).toBeGreaterThan(0);
    await must(dryRun('strict', pods));
  });

  it('refuses what is not as it should be, so that its yes says something', async () => {
    const objects = await render(REQUIRED);
    const budget = objects.find(({ kind }) => kind === 'PodDisruptionBudget')!;
    const { stderr } = await dryRun('calls', [{ ...budget, spec: { ...budget.spec, maxUnavailble: 1 } }]);
    expect(stderr).toContain('unknown field "maxUnavailble"');

    const [pod] = podsOf(objects, 'strict');
    const unsafe = { ...pod, spec: { ...pod!.spec, securityContext: {} } };
    expect((await dryRun('strict', [unsafe])).stderr).toContain('violates PodSecurity "restricted');
  });

  it('is installed, upgraded and rolled back', async () => {
    const target = ['rc', CHART, '--namespace', 'calls', '--no-hooks'];
    await must(helm(['install', ...target]));
    const replicas = async () =>
      (
        await must(kubectl(['get', 'deployment', 'rc-rollcall-dispatcher', '-n', 'calls', '-o', 'jsonpath={.spec.replicas}']))
      ).trim();
    expect(await replicas()).toBe('2');

    await must(helm(['upgrade', ...target], { dispatcher: { replicas: 5 }, monitoring: { enabled: true } }));
    expect(await replicas()).toBe('5');
    expect(await must(kubectl(['get', 'servicemonitor', '-n', 'calls', '-o', 'name']))).not.toBe('');

    const { helm: program } = await helmTools();
    await must(answerOf(program, ['rollback', 'rc', '1', '--namespace', 'calls', '--no-hooks'], { env }));
    expect(await replicas()).toBe('2');
    expect(await must(kubectl(['get', 'servicemonitor', '-n', 'calls', '-o', 'name']))).toBe('');

    await must(answerOf(program, ['uninstall', 'rc', '--namespace', 'calls', '--no-hooks'], { env }));
    const rest = 'deployment,service,networkpolicy,poddisruptionbudget,serviceaccount';
    expect(await must(kubectl(['get', rest, '-n', 'calls', '-l', 'app.kubernetes.io/instance=rc', '-o', 'name']))).toBe('');
  });

  it('upgrades to every set and back, on the server, without a field that cannot be changed', async () => {
    const target = ['rc', CHART, '--namespace', 'calls', '--no-hooks'];
    await must(helm(['install', ...target]));
    for (const values of Object.values(VALUE_SETS)) await must(helm(['upgrade', ...target, '--dry-run=server'], values));
  });
});

/** The pods that the objects would bring, as objects of their own. */
function podsOf(objects: readonly KubeObject[], namespace: string) {
  return objects.flatMap((object) => {
    const spec = podOf(object);
    if (spec === undefined) return [];
    const metadata = { name: `${object.metadata.name}-${object.kind.toLowerCase()}`, namespace };
    return [{ apiVersion: 'v1', kind: 'Pod', metadata, spec }];
  });
}
