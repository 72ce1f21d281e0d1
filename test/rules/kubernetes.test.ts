import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Deployment } from 'kubernetes-types/apps/v1.js';
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.js';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { ConfigMap, Secret, Service } from 'kubernetes-types/core/v1.js';
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js';
import { expect, onTestFinished, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadConfig, loadMigrationUrl } from '../../src/config.js';
import { ConfigSchema } from '../../src/config-schema.js';

type Manifest = { apiVersion: string; kind: string; metadata: { name: string } };

const FOLDER = 'deploy/kubernetes';
const manifests = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml') && !/kustomization\.yaml$/.test(file))
  .flatMap((file) =>
    parseAllDocuments(readFileSync(path.join(FOLDER, file), 'utf8')).map((document) => ({
      file,
      manifest: document.toJS() as Manifest,
    })),
  );

/** The manifest of that kind in that file's folder. */
function find<Type>(kind: string, folder = 'base'): Type {
  const found = manifests.find(({ file, manifest }) => manifest.kind === kind && file.startsWith(folder));
  return (found?.manifest ?? expect.unreachable(`a ${kind} in ${folder}`)) as Type;
}

const deployment = find<Deployment>('Deployment');
const job = find<Job>('Job');
const pods = { Deployment: deployment.spec?.template, Job: job.spec?.template };
const containerOf = (kind: keyof typeof pods) => pods[kind]?.spec?.containers[0] ?? expect.unreachable('a container');
const settings = { ...find<ConfigMap>('ConfigMap').data, ...find<ConfigMap>('ConfigMap', 'example').data };
const secretKeys = Object.keys(find<Secret>('Secret', 'example').stringData ?? {});
/** What a pod has when the secret is filled in. */
const environment = {
  ...settings,
  DATABASE_URL: 'postgresql://gatehouse:p@pgbouncer:6432/gatehouse',
  DATABASE_DIRECT_URL: 'postgresql://gatehouse:p@postgres:5432/gatehouse',
  APP_SECRETS: randomBytes(32).toString('base64url'),
};

test('every manifest has the fields and the types of its kind in the Kubernetes API', async () => {
  mkdirSync('.gatehouse', { recursive: true });
  const folder = mkdtempSync('.gatehouse/manifests-');
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'manifests.ts');
  const lines = manifests.map(({ manifest: { apiVersion, kind }, manifest }, index) => {
    const group = apiVersion.includes('/') ? apiVersion.replace('.k8s.io', '') : `core/${apiVersion}`;
    const type = `import('kubernetes-types/${group}.js').${kind}`;
    return `export const m${index}: ${type} = ${JSON.stringify(manifest, null, 2)};`;
  });
  writeFileSync(file, lines.join('\n'));
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--types', '', '--ignoreConfig'];
  const { stdout } = await promisify(execFile)(process.execPath, [
    'node_modules/typescript/bin/tsc',
    ...options,
    file,
  ]).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
}, 30_000);

test('every variable is one that Gatehouse knows, and its configuration reader takes them all', () => {
  for (const name of [...Object.keys(settings), ...secretKeys]) {
    expect(Object.keys(ConfigSchema.properties)).toContain(name);
  }
  expect(loadConfig(environment).issuer).toBe('https://auth.example.com');
  const [{ name, valueFrom } = expect.unreachable('a variable')] = containerOf('Job').env ?? [];
  expect(secretKeys).toContain(valueFrom?.secretKeyRef?.key);
  expect(loadMigrationUrl({ [name]: environment.DATABASE_DIRECT_URL })).toBe(environment.DATABASE_DIRECT_URL);
});

test('the configuration holds no secret, and the example of one holds no value', () => {
  expect(Object.keys(settings)).not.toEqual(expect.arrayContaining(['APP_SECRETS']));
  for (const name of secretKeys) expect(settings).not.toHaveProperty(name);
  expect(Object.values(find<Secret>('Secret', 'example').stringData ?? {}).join('')).toBe('');
  const listed = readFileSync(`${FOLDER}/example/kustomization.yaml`, 'utf8').replace(/^#.*$/gm, '');
  expect(listed).not.toContain('secret');
});

test('asks whether it has started and lives without the database, and whether it is ready with it', () => {
  const { startupProbe, livenessProbe, readinessProbe } = containerOf('Deployment');
  expect(startupProbe?.httpGet?.path).toBe('/livez');
  expect(livenessProbe?.httpGet?.path).toBe('/livez');
  expect(readinessProbe?.httpGet?.path).toBe('/readyz');
});

test.each(['Deployment', 'Job'] as const)('the pods of the %s have no right that they do not need', (kind) => {
  expect(pods[kind]?.spec).toMatchObject({
    serviceAccountName: 'gatehouse',
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  });
  const { securityContext, resources } = containerOf(kind);
  expect(securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(resources).toMatchObject({ requests: { cpu: expect.anything() }, limits: { memory: expect.anything() } });
});

test('the time-outs fit: a pod is not ready long before it stops listening, and ends before it is killed', () => {
  const { shutdownDelaySeconds } = loadConfig(environment);
  const { periodSeconds = 0, failureThreshold = 0 } = containerOf('Deployment').readinessProbe ?? {};
  expect(shutdownDelaySeconds).toBeGreaterThan(periodSeconds * failureThreshold);
  const IN_FLIGHT_SECONDS = 10;
  const killedAfter = deployment.spec?.template.spec?.terminationGracePeriodSeconds;
  expect(killedAfter).toBeGreaterThan(shutdownDelaySeconds + IN_FLIGHT_SECONDS);
});

test('a new version takes no instance away before the next is ready, and a drained node no more than one', () => {
  expect(deployment.spec?.strategy?.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
  expect(find<PodDisruptionBudget>('PodDisruptionBudget').spec?.maxUnavailable).toBe(1);
});

test('instances are spread over machines and zones', () => {
  const spread = deployment.spec?.template.spec?.topologySpreadConstraints ?? [];
  expect(spread.map(({ topologyKey }) => topologyKey)).toEqual([
    'kubernetes.io/hostname',
    'topology.kubernetes.io/zone',
  ]);
});

test('the number of instances follows the load without going up and down all the time', () => {
  const {
    minReplicas = 0,
    maxReplicas = 0,
    behavior,
  } = find<HorizontalPodAutoscaler>('HorizontalPodAutoscaler').spec ?? {};
  expect(deployment.spec).not.toHaveProperty('replicas');
  expect(minReplicas).toBeGreaterThanOrEqual(2);
  expect(maxReplicas).toBeGreaterThan(minReplicas);
  expect(behavior?.scaleDown?.stabilizationWindowSeconds).toBeGreaterThanOrEqual(300);
});

test('what selects the pods finds those that serve, and not the migration', () => {
  const labels = deployment.spec?.template.metadata?.labels;
  const selectors = [
    deployment.spec?.selector.matchLabels,
    find<Service>('Service').spec?.selector,
    find<PodDisruptionBudget>('PodDisruptionBudget').spec?.selector?.matchLabels,
  ];
  for (const selector of selectors) {
    const wanted = selector ?? expect.unreachable('a selector');
    expect(labels).toMatchObject(wanted);
    expect(job.spec?.template.metadata?.labels).not.toMatchObject(wanted);
  }
});

test('lets in the ingress controller and Prometheus on their ports alone, and out only where it has to go', () => {
  const { ingress = [], egress = [], policyTypes } = find<NetworkPolicy>('NetworkPolicy').spec ?? {};
  expect(policyTypes).toEqual(['Ingress', 'Egress']);
  const ports = (rules: { ports?: { port?: number | string }[] }[]) =>
    rules.flatMap((rule) => (rule.ports ?? []).map(({ port }) => port));
  expect(ports(ingress)).toEqual([3000, Number(settings.METRICS_PORT)]);
  expect(new Set(ports(egress))).toEqual(new Set([53, 5432, 6432, 6379, 465, 587, 443]));
  for (const rule of [...ingress.map(({ from }) => from), ...egress.map(({ to }) => to)]) expect(rule).not.toEqual([]);
});
