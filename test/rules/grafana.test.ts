import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const read = (file: string) => readFileSync(file, 'utf8');
/** From the page that a test holds to what is served. */
const known = new Map(
  [...read('docs/metrics.md').matchAll(/^\| `(gatehouse_\w+)` \| (.+?) \| .+ \|$/gm)].map(
    ([, name = '', kind = '']) => [name, kind],
  ),
);

type Dashboard = { panels: { title: string; type: string; targets?: { expr: string }[] }[] };
type Alerts = { groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[] };

const { panels } = JSON.parse(read('deploy/grafana/dashboard.json')) as Dashboard;
const rules = (parse(read('deploy/grafana/alerts.yaml')) as Alerts).groups.flatMap((group) => group.rules);
const queries = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
];

test('there are panels and alerts to judge', () => {
  expect(panels.filter(({ type }) => type === 'timeseries').every(({ targets }) => targets?.length)).toBe(true);
  expect(rules.length).toBeGreaterThan(14);
  expect(queries.length).toBeGreaterThan(35);
});

test.each(queries)('%s asks for metrics and labels that there are', (_name, expr) => {
  const asked = [...expr.matchAll(/\b((?:gatehouse|nodejs|process)_\w+|up)(?:\{([^}]*)\})?/g)];
  expect(asked.length).toBeGreaterThan(0);
  for (const [, name = '', selector = ''] of asked) {
    if (!name.startsWith('gatehouse_')) continue;
    const kind = known.get(name) ?? known.get(name.replace(/_(count|bucket|sum)$/, ''));
    expect(kind, name).toBeDefined();
    for (const [, label = ''] of selector.matchAll(/(\w+)\s*[=!]/g))
      expect(kind, `${name} has the label ${label}`).toContain(label);
  }
});

test('every alert is explained, with a first step', () => {
  const page = read('docs/observability.md');
  for (const { alert, annotations } of rules) {
    expect(page).toContain(`\`${alert}\``);
    expect(annotations.summary?.length).toBeGreaterThan(10);
    expect(annotations.first_step?.length).toBeGreaterThan(10);
  }
});
