/** What a core hashes when it does nothing else: bcrypt at the service's default cost. */
import bcrypt from 'bcrypt';
import { answerParent } from './parent.js';

const COST = 12;

answerParent({
  /** @returns hashes a second */
  hash(seconds: number): number {
    const startedAt = performance.now();
    let count = 0;
    while (performance.now() - startedAt < seconds * 1_000) {
      bcrypt.hashSync('correct horse battery staple', COST);
      count += 1;
    }
    return count / ((performance.now() - startedAt) / 1_000);
  },
});
