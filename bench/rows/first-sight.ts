import { byTurns, median, ratios } from '../interleave.js';
import { atLeast, type Row } from '../row.js';

export const firstSight: Row = {
  name: 'first-sight',
  title: 'First sight of an ES256 token',
  targets: { 'crypto.verify alone': atLeast(0.8) },
  async measure({ child, effort }) {
    const process = await child('processes/first-sight.ts');
    const rates = await byTurns(effort, {
      service: () => process.call<number>('service'),
      alone: () => process.call<number>('alone'),
    });
    const rounds = ratios(rates.service, rates.alone);
    const details = { tokens_per_second: median(rates.service), signatures_per_second: median(rates.alone) };
    return { 'crypto.verify alone': { value: median(rounds), rounds, details } };
  },
};
