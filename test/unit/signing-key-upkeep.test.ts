import { expect, onTestFinished, test, vi } from 'vitest';
import type { KeyChanges } from '../../src/modules/tokens/signing-key-schedule.js';
import { createSigningKeyUpkeep } from '../../src/modules/tokens/signing-key-upkeep.js';

const DONE: KeyChanges = { revoke: null, forget: [], promote: 'the next one', make: [] };

test('looks after the keys every minute, goes on after a fault, and stops when told to', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const change = vi.fn(async (): Promise<KeyChanges | null> => null);
  const onChange = vi.fn();
  const onError = vi.fn();
  const reload = vi.fn(async () => {});
  const upkeep = createSigningKeyUpkeep({
    repository: { change, encryptUnderFirstSecret: async () => 0 },
    keys: { reload },
    algorithm: 'ES256',
    rotationDays: 30,
    onChange,
    onError,
  });
  await upkeep.start();
  expect(change).toHaveBeenCalledWith(expect.any(Function), { whenLocked: 'wait' });
  expect(change).toHaveBeenCalledTimes(1);

  change.mockRejectedValueOnce(new Error('the database is away'));
  await vi.advanceTimersByTimeAsync(75_000);
  expect(onError).toHaveBeenCalledTimes(1);
  expect(reload.mock.calls.length).toBeGreaterThanOrEqual(15);

  change.mockResolvedValueOnce(DONE);
  await vi.advanceTimersByTimeAsync(75_000);
  expect(onChange).toHaveBeenCalledWith(DONE);
  expect(onChange).toHaveBeenCalledTimes(1);
  expect(change).toHaveBeenLastCalledWith(expect.any(Function), { whenLocked: 'leave' });

  upkeep.stop();
  const calls = [change.mock.calls.length, reload.mock.calls.length];
  await vi.advanceTimersByTimeAsync(600_000);
  expect([change.mock.calls.length, reload.mock.calls.length]).toEqual(calls);
});

test('tells of no change when nothing was due, and of one that was stopped in the middle, that it goes no further', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const onChange = vi.fn();
  let finish = (_changes: KeyChanges | null) => {};
  const change = vi.fn(
    () =>
      new Promise<KeyChanges | null>((resolve) => {
        finish = resolve;
      }),
  );
  const upkeep = createSigningKeyUpkeep({
    repository: { change, encryptUnderFirstSecret: async () => 0 },
    keys: { reload: async () => {} },
    algorithm: 'ES256',
    rotationDays: 30,
    onChange,
    onError: (error) => expect.unreachable(String(error)),
  });
  const started = upkeep.start();
  finish({ ...DONE, promote: null });
  await started;
  expect(onChange).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(75_000);
  upkeep.stop();
  finish(null);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(change).toHaveBeenCalledTimes(2);
});
