import { availableParallelism } from 'node:os';
import { byTurns, median, ratios } from '../interleave.js';
import { closedLoop } from '../load/closed-loop.js';
import { openConnection, requestBytes } from '../load/connection.js';
import type { BenchDatabase } from '../postgres.js';
import { atLeast, type Row } from '../row.js';

export const PASSWORD = 'correct horse battery staple';
const PEOPLE = 200;

export const login: Row = {
  name: 'login',
  title: 'Sign-ins at bcrypt cost 12',
  targets: { 'hashes of all cores, with nothing else to do': atLeast(0.9) },
  async measure({ child, cores, database, effort, service }) {
    const people = await database({ people: PEOPLE, sessions: 1 });
    const { port } = await service(people.url, {}, { cores: cores?.all });
    await givePassword(people, port);
    const hashes = await Promise.all(
      Array.from({ length: availableParallelism() }, () => child('processes/hashes.ts', { cores: cores?.all })),
    );
    // As many as hash and as many again that wait, so that no core is ever without.
    const signIns = signInLoop(port, 2 * availableParallelism());
    const seconds = effort.short ? 2 : 5;
    const rates = await byTurns(effort, {
      service: () => signIns.run(seconds),
      alone: async () => {
        const rates = await Promise.all(hashes.map((one) => one.call<number>('hash', seconds)));
        return rates.reduce((sum, rate) => sum + rate, 0);
      },
    });
    const rounds = ratios(rates.service, rates.alone);
    const details = { sign_ins_per_second: median(rates.service), hashes_per_second: median(rates.alone) };
    return { 'hashes of all cores, with nothing else to do': { value: median(rounds), rounds, details } };
  },
};

/** Signs people in, one after the other. */
export function signInLoop(port: number, connections: number, path = '/v1/auth/login', people = PEOPLE) {
  let person = 0;
  return closedLoop({
    port,
    connections,
    next() {
      person += 1;
      return requestBytes('POST', path, {}, { email: emailOf(person % people), password: PASSWORD });
    },
  });
}

const emailOf = (person: number) => `person${person}@example.com`;

/** Gives everybody the same password, as the service itself hashes it. */
export async function givePassword({ query }: BenchDatabase, port: number): Promise<void> {
  const connection = await openConnection(port);
  const credentials = { email: 'somebody@example.com', password: PASSWORD };
  const { status } = await connection.ask(requestBytes('POST', '/v1/auth/register', {}, credentials));
  connection.close();
  if (status !== 201) throw new Error(`Registering answered ${status}.`);
  await query(
    "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email = 'somebody@example.com')",
  );
}
