/** Ids by number, so that the load can name any of ten million rows without a list of them. */
export function sessionIdOf(index: number): string {
  return SESSION_PREFIX + index.toString(16).padStart(12, '0');
}

export function userIdOf(index: number): string {
  return USER_PREFIX + index.toString(16).padStart(12, '0');
}

export const SESSION_PREFIX = '00000000-0000-7000-8000-';
export const USER_PREFIX = '00000000-0000-7000-9000-';
