/** Values of the chart. */
export type Values = Readonly<Record<string, unknown>>;

/** What every installation must say. */
export const REQUIRED: Values = {
  kafka: { brokers: ['kafka-0.kafka:9092', 'kafka-1.kafka:9093'] },
  database: { existingSecret: 'rollcall-database' },
  encryptionKey: { existingSecret: 'rollcall-key' },
};

const tlsFiles = { ca: { existingSecret: 'kafka-ca' }, clientCertificate: { existingSecret: 'kafka-client' } };
const autoscaling = { enabled: true, minReplicas: 3, maxReplicas: 9, targetCPUUtilizationPercentage: 60 };

/** Installations, each as it differs from {@link REQUIRED}: together they use every value of the chart. */
export const VALUE_SETS: Readonly<Record<string, Values>> = {
  minimal: {},
  'one pod each': {
    subscriptionApi: { replicas: 1 },
    presence: { replicas: 1 },
    dispatcher: { replicas: 1 },
    podDisruptionBudget: { maxUnavailable: '50%' },
    image: { tag: 'v0.1.0+build.7'.replace('+', '-'), pullPolicy: 'Always', pullSecrets: ['registry'] },
  },
  'a digest and names of its own': {
    image: { repository: 'registry.example.com:5000/team/rollcall', digest: `sha256:${'0a'.repeat(32)}` },
    nameOverride: 'notify',
    fullnameOverride: 'notify-eu',
    commonLabels: { team: 'telephony' },
    podLabels: { 'sidecar.istio.io/inject': 'false' },
  },
  'everything off': {
    networkPolicy: { enabled: false },
    podDisruptionBudget: { enabled: false },
    migration: { enabled: false },
    serviceAccount: { create: false },
    operations: { port: 0 },
    shutdownDelaySeconds: 0,
  },
  'an account that exists': {
    serviceAccount: { create: false, name: 'notifier' },
    migration: { mode: 'job', activeDeadlineSeconds: 60 },
  },
  'a plain migration': { migration: { mode: 'job' }, serviceAccount: { annotations: { 'example.com/role': 'rollcall' } } },
  ingress: {
    ingress: {
      enabled: true,
      className: 'nginx',
      annotations: { 'cert-manager.io/cluster-issuer': 'letsencrypt' },
      hosts: ['rollcall.example.com', '*.example.org'],
      tls: [{ secretName: 'rollcall-tls', hosts: ['rollcall.example.com'] }],
    },
    settings: { PUBLIC_URL: 'https://rollcall.example.com', RATE_LIMIT: 'off', AGENT_EVENT_LIMIT: 1000000, LOG_LEVEL: 'debug' },
  },
  'ingress for any host': { ingress: { enabled: true } },
  gateway: {
    gateway: {
      enabled: true,
      annotations: { 'example.com/owner': 'telephony' },
      parentRefs: [{ name: 'public', namespace: 'gateways', sectionName: 'https' }],
      hostnames: ['rollcall.example.com'],
    },
    subscriptionApi: { service: { type: 'LoadBalancer', port: 8080, annotations: { 'example.com/internal': 'true' } } },
  },
  'managed Kafka by TLS and SCRAM': {
    kafka: {
      brokers: ['b-1.example.com:9096'],
      prefix: 'eu.',
      topicPartitions: 48,
      tls: { enabled: true },
      sasl: { mechanism: 'scram-sha-512', existingSecret: 'kafka-user', usernameKey: 'user', passwordKey: 'secret' },
    },
    keda: { enabled: true },
  },
  'Kafka by client certificate': { kafka: { tls: tlsFiles }, keda: { enabled: true } },
  'Kafka by OAuth': {
    kafka: {
      tls: { ca: { existingSecret: 'kafka-ca', secretKey: 'bundle.pem' } },
      sasl: {
        mechanism: 'oauthbearer',
        existingSecret: 'kafka-oauth',
        tokenUrl: 'https://login.example.com/token',
        scope: 'kafka',
        clientIdKey: 'id',
        clientSecretKey: 'secret',
      },
    },
    keda: { enabled: true, database: { existingSecret: 'keda-database', secretKey: 'uri' } },
  },
  'Kafka by name and password alone': {
    kafka: { sasl: { mechanism: 'plain', existingSecret: 'kafka-user' } },
    keda: { enabled: true },
  },
  'autoscaled by processor time': {
    subscriptionApi: { autoscaling },
    presence: { autoscaling },
    dispatcher: { autoscaling },
  },
  'autoscaled by lag': {
    subscriptionApi: { autoscaling },
    presence: { autoscaling },
    keda: {
      enabled: true,
      pollingInterval: 5,
      cooldownPeriod: 60,
      presence: { minReplicas: 3, maxReplicas: 16, lagThreshold: 500 },
      dispatcher: { minReplicas: 3, maxReplicas: 24, lagThreshold: 500, oldestWaitingSeconds: 2.5 },
    },
  },
  monitored: {
    monitoring: {
      enabled: true,
      labels: { release: 'prometheus' },
      serviceMonitor: { interval: '15s', scrapeTimeout: '5s' },
      rules: { docsUrl: 'https://docs.example.com/rollcall/' },
      dashboard: { labels: { grafana_dashboard: 'yes' } },
    },
  },
  'monitored without the rest': {
    operations: { port: 0 },
    monitoring: { enabled: true, rules: { enabled: false }, dashboard: { enabled: false } },
  },
  'certificates, a replica and applications': {
    database: {
      existingSecret: 'cluster-app',
      secretKey: 'uri',
      pool: 20,
      ca: { existingSecret: 'cluster-ca' },
      readReplica: { existingSecret: 'cluster-replica', secretKey: 'uri' },
    },
    bootstrapApps: { existingSecret: 'rollcall-apps', secretKey: 'apps.json' },
    extraCa: { existingConfigMap: 'company-ca', key: 'bundle.pem' },
    encryptionKey: { existingSecret: 'rollcall-key', secretKey: 'encryption', previousKey: 'before' },
    settings: { OIDC_ISSUER: 'https://login.example.com', OIDC_AUDIENCE: 'rollcall' },
  },
  'destinations inside': {
    destinations: { allow: ['10.20.0.0/16', '192.168.7.7', 'fd00::1'], ports: [443, '8000-8999'] },
    extraCa: { existingSecret: 'company-ca' },
    networkPolicy: {
      apiFrom: [{ namespaceSelector: { matchLabels: { name: 'ingress' } } }],
      telemetryFrom: [{ podSelector: { matchLabels: { app: 'pbx' } } }],
      metricsFrom: [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }],
      database: { to: [{ ipBlock: { cidr: '10.1.2.3/32' } }], ports: [5432, 6432] },
      kafka: { to: [{ namespaceSelector: { matchLabels: { name: 'kafka' } } }], ports: [9092] },
      dns: { to: [{ ipBlock: { cidr: '169.254.20.10/32' } }] },
      extraEgress: [{ to: [{ ipBlock: { cidr: '10.9.9.9/32' } }], ports: [{ port: 4318 }] }],
    },
  },
  'placed by hand': {
    nodeSelector: { 'kubernetes.io/arch': 'amd64' },
    tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'rollcall', effect: 'NoSchedule' }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a', 'b'] }] }],
        },
      },
    },
    topologySpreadConstraints: [{ topologyKey: 'topology.kubernetes.io/zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }],
    priorityClassName: 'system-cluster-critical',
    presence: {
      containerPort: 8081,
      podAnnotations: { 'example.com/restarted': 'today' },
      resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi' } },
      extraEnv: [{ name: 'LOG_LEVEL', value: 'debug' }],
    },
    migration: { resources: { requests: { cpu: '50m' } } },
    extraVolumes: [{ name: 'scratch', emptyDir: { sizeLimit: '10Mi' } }],
    extraVolumeMounts: [{ name: 'scratch', mountPath: '/tmp' }],
    extraEnv: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
  },
  'objects of its own': {
    extraObjects: [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ .Release.Name }}-note' }, data: { note: 'from an object' } },
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "rollcall.fullname" . }}-text\ndata: { note: from text }\n',
    ],
  },
};

/** Values that must be refused, and what the message must name. */
export const BAD_VALUES: readonly (readonly [what: string, values: Values, named: string])[] = [
  ['no brokers', { kafka: { brokers: [] } }, '/kafka/brokers'],
  ['a broker without a port', { kafka: { brokers: ['kafka'] } }, '/kafka/brokers/0'],
  ['a port that is none', { kafka: { brokers: ['kafka:65536'] } }, '/kafka/brokers/0'],
  ['a URL for a broker', { kafka: { brokers: ['kafka://kafka:9092'] } }, '/kafka/brokers/0'],
  ['brokers as text', { kafka: { brokers: 'kafka:9092' } }, '/kafka/brokers'],
  ['brokers taken away', { kafka: { brokers: null } }, 'brokers'],
  ['no Secret of the database', { database: { existingSecret: '' } }, '/database/existingSecret'],
  ['a Secret with a name that is none', { database: { existingSecret: 'Rollcall_DB' } }, '/database/existingSecret'],
  ['no Secret of the encryption key', { encryptionKey: { existingSecret: null } }, 'existingSecret'],
  ['a key that the chart does not have', { kafka: { broker: ['a:1'] } }, 'broker'],
  ['a section that the chart does not have', { postgresql: { enabled: true } }, 'postgresql'],
  ['a setting that does not exist', { settings: { RATE_LIMITS: 'off' } }, 'RATE_LIMITS'],
  ['a setting that has a value of its own', { settings: { DATABASE_URL: 'postgresql://x' } }, 'DATABASE_URL'],
  ['a mechanism that does not exist', { kafka: { sasl: { mechanism: 'gssapi' } } }, '/kafka/sasl/mechanism'],
  ['a login without a Secret', { kafka: { sasl: { mechanism: 'plain' } } }, '/kafka/sasl/existingSecret'],
  ['OAuth without a token URL', { kafka: { sasl: { mechanism: 'oauthbearer', existingSecret: 'x' } } }, '/kafka/sasl/tokenUrl'],
  ['replicas as text', { presence: { replicas: 'two' } }, '/presence/replicas'],
  ['fewer than no replicas', { dispatcher: { replicas: -1 } }, '/dispatcher/replicas'],
  ['a switch that is no boolean', { ingress: { enabled: 'yes' } }, '/ingress/enabled'],
  ['a host with a scheme', { ingress: { enabled: true, hosts: ['https://rollcall.example.com'] } }, '/ingress/hosts/0'],
  ['a route without a Gateway', { gateway: { enabled: true } }, '/gateway/parentRefs'],
  ['a digest that is none', { image: { digest: 'latest' } }, '/image/digest'],
  ['a budget that allows nothing', { podDisruptionBudget: { maxUnavailable: 0 } }, '/podDisruptionBudget/maxUnavailable'],
  ['a network that is none', { destinations: { allow: ['example.com'] } }, '/destinations/allow/0'],
  ['a range of ports that ends before it begins', { destinations: { ports: ['9-8'] } }, 'destinations.ports'],
  ['a port that only root may listen on', { subscriptionApi: { containerPort: 80 } }, '/subscriptionApi/containerPort'],
  ['one port for two things', { operations: { port: 3000 } }, 'operations.port'],
  [
    'fewer pods at most than at least',
    { presence: { autoscaling: { enabled: true, minReplicas: 9, maxReplicas: 3 } } },
    'presence.autoscaling',
  ],
  ['fewer pods by KEDA at most than at least', { keda: { enabled: true, dispatcher: { minReplicas: 99 } } }, 'keda.dispatcher'],
  ['two sources of CAs', { extraCa: { existingSecret: 'a', existingConfigMap: 'b' } }, '/extraCa'],
  ['an issuer without an audience', { settings: { OIDC_ISSUER: 'https://login.example.com' } }, 'OIDC_AUDIENCE'],
  ['a way to migrate that does not exist', { migration: { mode: 'init' } }, '/migration/mode'],
];
