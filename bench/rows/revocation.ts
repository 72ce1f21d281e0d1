import { byTurns, median, ratios } from '../interleave.js';
import { atLeast, atMost, type Row } from '../row.js';
import { askWithTokens, startGateApp } from './gate.js';

const ENDED = 1_000_000;

export const revocation: Row = {
  name: 'revocation',
  title: 'Gated reads with 1,000,000 ended sessions remembered',
  targets: { 'the same with none': atLeast(0.95), 'heap that the list takes': atMost(120, 'MB') },
  async measure(stage) {
    const [empty, full] = [await startGateApp(stage, ['--expose-gc']), await startGateApp(stage, ['--expose-gc'])];
    const megabytes = await full.child.call<number>('endSessions', ENDED);
    const ask = ({ port, tokens }: typeof full) => askWithTokens(port, '/bench/guarded', tokens);
    const [none, many] = [ask(empty), ask(full)];
    const { seconds } = stage.effort;
    const rates = await byTurns(stage.effort, { none: () => none.run(seconds), many: () => many.run(seconds) });
    const rounds = ratios(rates.many, rates.none);
    const details = { with_list_per_second: median(rates.many), without_per_second: median(rates.none) };
    return {
      'the same with none': { value: median(rounds), rounds, details },
      'heap that the list takes': { value: megabytes, details: { entries: ENDED } },
    };
  },
};
