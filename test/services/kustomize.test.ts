import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';

test('kustomize renders the example: all in its namespace, with its image and its origin', async () => {
  const { stdout } = await promisify(execFile)('kubectl', ['kustomize', 'deploy/kubernetes/example']);
  const manifests = parseAllDocuments(stdout).map((document) => document.toJS());
  expect(manifests.map(({ kind }) => kind).sort()).toEqual([
    'ConfigMap',
    'Deployment',
    'HorizontalPodAutoscaler',
    'Ingress',
    'Job',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'Service',
    'ServiceAccount',
  ]);
  for (const { metadata } of manifests) expect(metadata.namespace).toBe('gatehouse');
  expect(stdout.match(/image: .*/g)).toEqual(Array(2).fill('image: registry.example.com/gatehouse:0.1.0'));
  expect(stdout).toContain('ALLOWED_ORIGINS: https://app.example.com');
});
