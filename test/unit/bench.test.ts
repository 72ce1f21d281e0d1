import { expect, test } from 'vitest';
import { drawChart } from '../../bench/chart.js';
import { byTurns, median, ratios } from '../../bench/interleave.js';
import { figure, type Line, tableOf } from '../../bench/report.js';
import { atLeast, atMost, meets } from '../../bench/row.js';

test('the bench measures by turns, every other round backwards, and drops the first round', async () => {
  const order: string[] = [];
  let turn = 0;
  const side = (name: string) => async () => {
    order.push(name);
    turn += 1;
    return turn;
  };
  const effort = { rounds: 3, seconds: 1, short: false };
  const figures = await byTurns(effort, { a: side('a'), b: side('b') });
  expect(order.join('')).toBe('baabbaab');
  expect(figures).toEqual({ a: [3, 6, 7], b: [4, 5, 8] });
});

test('the bench takes the median of the ratios of rounds, odd or even in number', () => {
  expect(median(ratios([1, 4, 9], [2, 2, 3]))).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('the bench holds a figure to its target, and rounds none up to it', () => {
  expect([meets(atLeast(0.85), 0.849), meets(atLeast(0.85), 0.85)]).toEqual([false, true]);
  expect([meets(atMost(130, 'MB'), 130), meets(atMost(130, 'MB'), 131)]).toEqual([true, false]);
  expect(figure(0.9992)).toBe('0.9992');
});

const peer = (row: string, limit: string, rate: number): Line => ({
  row,
  title: 'Reads',
  limit,
  target: atLeast(1, '×'),
  measured: { value: 2, details: { gatehouse_per_second: 200, peer_per_second: rate } },
  met: true,
});

test('the table of a short run tells no verdict, and names what was skipped', () => {
  const lines = [peer('a', 'x', 100), { ...peer('a', 'y', 1), measured: null, met: null, skipped: 'why' }];
  const short = tableOf(lines, { rounds: 1, seconds: 1, short: true });
  expect(short).toContain('| Reads | x | ≥ 1 × | 2 × | ran |');
  expect(short).toContain('| – | skipped |');
});

test('the chart of speed draws a bar for each library, says it to a screen reader and escapes names', () => {
  const svg = drawChart([peer('peers-read', 'A & B', 100)], 'a machine');
  expect(svg).toContain('width="440.0"');
  expect(svg).toContain('width="220.0"');
  expect(svg).toContain('Gatehouse 200, A &amp; B 100');
  expect(svg).not.toContain('A & B');
});
