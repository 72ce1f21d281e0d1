/** How long things take: all of them, or a first look. */
export type Effort = { rounds: number; seconds: number; short: boolean };

export const FULL: Effort = { rounds: 5, seconds: 3, short: false };
export const SHORT: Effort = { rounds: 1, seconds: 1, short: true };

/**
 * Measures several things by turns, so that whatever else the machine does meets all of them. Every other round goes
 * backwards. What was measured first is dropped: nothing was warm yet.
 *
 * @param sides each gives the figure of one turn
 * @returns for each side, a figure a round
 */
export async function byTurns<Name extends string>(
  { rounds, short }: Effort,
  sides: Record<Name, () => Promise<number>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
  const warmUp = short ? 0 : 1;
  for (let round = -warmUp; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const figure = await sides[name]();
      if (round >= 0) figures[name].push(figure);
    }
  }
  return figures;
}

/** Round by round, one by the other. */
export function ratios(of: number[], to: number[]): number[] {
  return of.map((figure, round) => figure / (to[round] ?? Number.NaN));
}

export function median(figures: number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
