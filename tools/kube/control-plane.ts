import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { endWithUs } from '#runtime';
import { freePorts } from '../services.js';

const run = promisify(execFile);
const MAX_BUFFER = 64 * 1024 * 1024;

const SOURCES = join(process.cwd(), 'tools', 'kube', 'control-plane');
/** Of Kubernetes: what is built follows from go.mod there. */
const VERSION = '1.36.3';
const BINARIES = join(process.cwd(), '.cache', 'kube', `kubernetes-${VERSION}`);
/** Otherwise the API server would not know its own version, which charts ask for. */
const LINKED_IN = `-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v${VERSION}`;
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;

export interface ControlPlaneOptions {
  /** Takes the lines for people, such as that the API server is being built. */
  readonly say?: (line: string) => void;
}

/**
 * A real API server of Kubernetes with its etcd, on loopback only: it takes, checks and keeps objects as a cluster does. Nothing acts on
 * them: there is no controller, no scheduler and no node. Both programs are built by Go into `.cache/kube` the first time (about 7 minutes).
 */
export class ControlPlane {
  private constructor(
    private readonly directory: string,
    private readonly processes: readonly ChildProcess[],
    readonly url: string,
    private readonly token: string,
  ) {}

  /** @throws Error with the last lines of what did not start, or the compiler's */
  static async start({ say = () => undefined }: ControlPlaneOptions = {}): Promise<ControlPlane> {
    await ensureBuilt(say);
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-kube-'));
    const [client = 0, peer = 0, secure = 0] = await freePorts(3);
    const token = randomBytes(16).toString('hex');
    const file = async (name: string, content: string) => {
      await writeFile(join(directory, name), content, { mode: 0o600 });
      return join(directory, name);
    };
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const signingKey = await file('account.key', privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
    const tokens = await file('tokens.csv', `${token},admin,admin,system:masters\n`);
    const etcdUrl = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const processes = [
      start('etcd', [
        `--data-dir=${join(directory, 'etcd')}`,
        `--listen-client-urls=${etcdUrl}`,
        `--advertise-client-urls=${etcdUrl}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        '--unsafe-no-fsync',
      ]),
      start('kube-apiserver', [
        `--etcd-servers=${etcdUrl}`,
        '--bind-address=127.0.0.1',
        `--secure-port=${secure}`,
        `--cert-dir=${join(directory, 'certificates')}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${signingKey}`,
        `--service-account-signing-key-file=${signingKey}`,
        '--service-cluster-ip-range=10.96.0.0/16',
        `--token-auth-file=${tokens}`,
        '--authorization-mode=RBAC',
        // Nobody makes the account "default" of a namespace here.
        '--disable-admission-plugins=ServiceAccount',
      ]),
    ];
    const controlPlane = new ControlPlane(directory, processes, `https://127.0.0.1:${secure}`, token);
    try {
      await controlPlane.ready(processes);
      await file('kubeconfig', await controlPlane.kubeconfigText());
      return controlPlane;
    } catch (error) {
      await controlPlane.stop();
      throw error;
    }
  }

  /** Returns the path for `KUBECONFIG`. */
  get kubeconfig(): string {
    return join(this.directory, 'kubeconfig');
  }

  /** Ends both and removes what they kept. Safe to call twice. */
  async stop(): Promise<void> {
    for (const child of this.processes.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  private async ready(processes: readonly (ChildProcess & { lastLines?: string[] })[]): Promise<void> {
    for (const deadline = Date.now() + START_TIMEOUT_MS; ; await delay(100)) {
      const ended = processes.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
      if (ended) throw new Error(`${ended.spawnfile} ended: ${ended.lastLines?.join('\n')}`);
      const certificate = join(this.directory, 'certificates', 'apiserver.crt');
      const answer = await run('curl', [
        '-fsS',
        '--cacert',
        certificate,
        '-H',
        `Authorization: Bearer ${this.token}`,
        `${this.url}/readyz`,
      ]).catch(({ stderr }: { stderr?: string }) => ({ stdout: '', stderr }));
      if (answer.stdout === 'ok') return;
      if (Date.now() > deadline) throw new Error(`the API server is not ready: ${answer.stderr}`);
    }
  }

  private async kubeconfigText(): Promise<string> {
    const certificate = await readFile(join(this.directory, 'certificates', 'apiserver.crt'));
    const name = 'rollcall-test';
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server: this.url, 'certificate-authority-data': certificate.toString('base64') } }],
      users: [{ name, user: { token: this.token } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    });
  }
}

function start(program: string, args: readonly string[]): ChildProcess & { lastLines: string[] } {
  const child = spawn(join(BINARIES, program), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  endWithUs(child);
  const lastLines: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    lastLines.push(...text.split('\n'));
    lastLines.splice(0, lastLines.length - 20);
  });
  return Object.assign(child, { lastLines });
}

async function ensureBuilt(say: (line: string) => void): Promise<void> {
  if (existsSync(BINARIES)) return;
  say(`Building the API server of Kubernetes ${VERSION} (once, about 7 minutes) ...`);
  await mkdir(BINARIES.replace(/[^/]+$/, ''), { recursive: true });
  const work = await mkdtemp(`${BINARIES}-`);
  try {
    // go.mod is completed by Go itself: a copy.
    await cp(SOURCES, join(work, 'module'), { recursive: true });
    await run(
      'go',
      [
        'build',
        '-mod=mod',
        '-trimpath',
        '-buildvcs=false',
        LINKED_IN,
        '-o',
        join(work, 'bin/'),
        './etcd',
        'k8s.io/kubernetes/cmd/kube-apiserver',
      ],
      { cwd: join(work, 'module'), env: { ...process.env, CGO_ENABLED: '0' }, maxBuffer: MAX_BUFFER },
    );
    await rename(join(work, 'bin'), BINARIES);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Returns the folder of a Go module's files, fetched by Go. @param module with its version, such as `example.com/m@v1.0.0` */
export async function goModule(module: string): Promise<string> {
  const { stdout } = await run('go', ['mod', 'download', '-json', module], { cwd: tmpdir(), maxBuffer: MAX_BUFFER });
  return (JSON.parse(stdout) as { readonly Dir: string }).Dir;
}
