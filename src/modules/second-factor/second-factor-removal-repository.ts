import type { Statements } from '../../database/database.js';
import { createEventRepository } from '../audit/event-repository.js';

/**
 * Takes a person's second factor away without its secret, and records it: for an operator, who has none. To be called in
 * a transaction.
 *
 * @returns false when there was none
 */
export async function removeSecondFactor(statements: Statements, userId: string): Promise<boolean> {
  if (!(await deleteSecondFactor(statements, userId))) return false;
  await createEventRepository(statements).add({
    type: 'mfa_disabled',
    userId,
    client: null,
    details: { by: 'operator' },
  });
  return true;
}

/** Deletes a confirmed factor; its recovery codes go with it. @returns false when there was none */
export async function deleteSecondFactor(statements: Statements, userId: string): Promise<boolean> {
  const count = await statements.$executeRaw`
    DELETE FROM second_factors WHERE user_id = ${userId}::uuid AND confirmed_at IS NOT NULL`;
  return count === 1;
}
