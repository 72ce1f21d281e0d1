export type Status = 'ok' | 'warning' | 'failed' | 'skipped';

/** What was looked at, what was found, and how to mend it. Never holds a secret. */
export type Check = {
  name: string;
  status: Status;
  /** What is so, in a sentence or two. */
  message: string;
  /** What to do about it; for warnings and failures. */
  remedy?: string;
};

export const ok = (name: string, message: string): Check => ({ name, status: 'ok', message });
export const skipped = (name: string, message: string): Check => ({ name, status: 'skipped', message });
export const warning = (name: string, message: string, remedy: string): Check => ({
  name,
  status: 'warning',
  message,
  remedy,
});
export const failed = (name: string, message: string, remedy: string): Check => ({
  name,
  status: 'failed',
  message,
  remedy,
});

/** The findings of one subject: what is wrong, or that nothing is. */
export function okUnless(faults: Check[], fine: Check): Check[] {
  return faults.length > 0 ? faults : [fine];
}
