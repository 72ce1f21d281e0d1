import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

const promtool = (...args: string[]) => execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });

test('Prometheus takes the alert rules', () => {
  expect(promtool('check', 'rules', 'deploy/grafana/alerts.yaml')).toMatch(/18 rules found/);
});

test('alerts are raised when they should be, and by nothing else', () => {
  expect(promtool('test', 'rules', 'deploy/grafana/alerts.test.yaml')).toContain('SUCCESS');
});
