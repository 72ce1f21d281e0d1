import type { Cluster } from './cluster.js';
import { checkInvariants } from './invariants.js';
import type { Row } from './row.js';
import { createStage, type Stage } from './stage.js';

export type Result = {
  row: Row;
  verdict: 'passed' | 'failed' | 'skipped';
  figure: string;
  faults: string[];
  seconds: number;
};

/** No row takes nearly as long; one that does hangs. */
const ROW_MS = 600_000;

/** Runs one row on a database of its own, then asks whether the invariants hold. Never throws. */
export async function runRow(row: Row, cluster: Cluster, isShort: boolean, noteStage: NoteStage): Promise<Result> {
  const startedAt = performance.now();
  const result = (verdict: Result['verdict'], figure: string, faults: string[] = []): Result => ({
    row,
    verdict,
    figure,
    faults,
    seconds: (performance.now() - startedAt) / 1_000,
  });
  let stage: Stage | undefined;
  try {
    await cluster.mend();
    const prepared = (await row.prepare?.(cluster)) ?? {};
    if (prepared.skipped !== undefined) return result('skipped', prepared.skipped);
    stage = await createStage(cluster, { isShort, ...prepared });
    noteStage(stage);
    const outcome = await Promise.race([row.run(stage), hang(row.name)]);
    if ('skipped' in outcome) return result('skipped', outcome.skipped);
    const faults = [...outcome.faults, ...(await checkInvariants(stage)).map((breach) => `afterwards: ${breach}`)];
    const told = counted(faults);
    return result(faults.length > 0 ? 'failed' : 'passed', outcome.figure, told);
  } catch (error) {
    return result('failed', '', [error instanceof Error ? (error.stack ?? error.message) : String(error)]);
  } finally {
    // A row that broke off in the middle must not take the others with it.
    await cluster.mend().catch((error: unknown) => console.error(`After ${row.name}:`, error));
    await stage?.close().catch((error: unknown) => console.error(`After ${row.name}:`, error));
    noteStage(undefined);
  }
}

/** Each fault once, with how often it came. */
function counted(faults: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const fault of faults) counts.set(fault, (counts.get(fault) ?? 0) + 1);
  return [...counts].map(([fault, count]) => (count > 1 ? `${fault} (${count} times)` : fault));
}

type NoteStage = (stage: Stage | undefined) => void;

async function hang(name: string): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, ROW_MS).unref());
  throw new Error(`${name} did not end within ${ROW_MS / 1_000} s.`);
}
