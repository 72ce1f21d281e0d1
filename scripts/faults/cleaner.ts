/**
 * A process that deletes old rows as every instance does now and then, but when it is told to: `go`, then `stop`, which
 * it answers with how many sessions went since it was told to go.
 */
import { openDatabase } from '../../src/database/database.js';
import { createRetentionJob } from '../../src/modules/retention/retention-job.js';
import { createRetentionRules } from '../../src/modules/retention/retention-repository.js';

const [url = ''] = process.argv.slice(2);
const database = openDatabase({ url, poolSize: 2, log: { warn: () => {} } });
let stop: (() => Promise<number>) | undefined;

process.on('message', (message) => {
  if (message === 'go') stop = clean();
  else void stop?.().then((count) => process.send?.(count));
});
process.on('disconnect', () => process.exit());
process.send?.('ready');

function clean(): () => Promise<number> {
  let count = 0;
  const rules = createRetentionRules(database, 90).map((rule) => ({
    ...rule,
    clean: async (batch: number) => {
      const deleted = await rule.clean(batch);
      if (rule.table === 'sessions') count += deleted;
      return deleted;
    },
  }));
  const job = createRetentionJob({ rules, onCleaned: () => {}, onError: (error) => console.error(error) });
  const run = job.run();
  return async () => {
    await job.stop();
    await run;
    return count;
  };
}
