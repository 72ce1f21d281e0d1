import { Secret, TOTP } from 'otpauth';
import { expect, test } from 'vitest';
import { createSecondFactorProof, deviceOfSession } from '../../src/modules/second-factor/second-factor-proof.js';
import { createSecondFactorService } from '../../src/modules/second-factor/second-factor-service.js';
import { DomainError } from '../../src/shared/domain-error.js';

const NOW = Date.parse('2026-11-22T16:00:00Z');
const SECRET = Buffer.from('12345678901234567890');
const CODE = TOTP.generate({ secret: new Secret({ buffer: Uint8Array.from(SECRET).buffer }), timestamp: NOW });
const CLIENT = { ip: '203.0.113.7', userAgent: null };
const SESSION_ID = '0199e0a4-9b2f-7a10-8c4d-2e7f60b1a9d3';
const DEVICE = { deviceId: 'ab'.repeat(16), passwordVersion: 1 };

/** A factor in memory, and attempts that write down what is guessed at; `refuse` as when there were too many. */
function setUp({ refuse = false, isConfirmed = true } = {}) {
  const seen = { guesses: [] as object[], looks: 0, events: [] as string[] };
  const repository = {
    find: async () => {
      seen.looks += 1;
      return { secret: SECRET, isConfirmed, enrolment: 'e' };
    },
    takeStep: async () => true,
    takeRecoveryCode: async () => true,
    enrol: async () => true,
    status: async () => ({ confirmedAt: new Date(NOW), recoveryCodesLeft: 10 }),
  };
  const attempts = {
    guess: async (guess: object, check: () => Promise<boolean>) => {
      seen.guesses.push(guess);
      if (refuse) throw new DomainError('too_many_attempts', { retryAfterSeconds: 9 });
      return check();
    },
  };
  const clock = { now: () => NOW };
  const eventLog = { addLater: ({ type }: { type: string }) => void seen.events.push(type) };
  const prove = createSecondFactorProof({ repository, attempts, eventLog, clock });
  const service = createSecondFactorService({
    repository,
    inTransaction: () => Promise.reject(new Error('nothing is to be written')),
    prove,
    attempts,
    clock,
    serviceName: 'Gatehouse',
    findOwner: async () => ({ email: 'ada@example.com' }),
    confirmPassword: async () => ({ email: 'ada@example.com' }),
  });
  return { seen, prove, service };
}

const context = { client: CLIENT, device: DEVICE, sessionId: null };
const caller = { userId: 'ada', sessionId: SESSION_ID, client: CLIENT, signal: new AbortController().signal };
const asGuess = (device: object) => ({ purpose: 'second_factor', account: 'ada', ip: CLIENT.ip, device });

test.each([CODE, '000000', '4k7qm-x9d2c', 'nonsense'])('counts %s as a guess at the second factor', async (code) => {
  const { seen, prove } = setUp();
  await prove('ada', code, context).catch(() => {});
  expect(seen.guesses).toEqual([asGuess(DEVICE)]);
});

test('does not even look at a code, right or wrong, while there were too many, and records no failure', async () => {
  for (const code of [CODE, '000000', '4k7qm-x9d2c']) {
    const { seen, prove } = setUp({ refuse: true });
    await expect(prove('ada', code, context)).rejects.toMatchObject({ code: 'too_many_attempts' });
    expect(seen).toMatchObject({ looks: 0, events: [] });
  }
});

test('records a wrong code, and no right one', async () => {
  const { seen, prove } = setUp();
  await prove('ada', CODE, context);
  expect(seen.events).toEqual([]);
  await expect(prove('ada', '000000', context)).rejects.toMatchObject({ code: 'mfa_code_invalid' });
  expect(seen.events).toEqual(['mfa_failed']);
});

test('takes no code of a factor that is not confirmed', async () => {
  const { prove } = setUp({ isConfirmed: false });
  for (const code of [CODE, '4k7qm-x9d2c']) {
    await expect(prove('ada', code, context)).rejects.toMatchObject({ code: 'mfa_code_invalid' });
  }
});

test('counts the first code of an enrolment, and those that turn the factor off or renew its recovery codes', async () => {
  const device = deviceOfSession(SESSION_ID);
  expect(device.deviceId).toMatch(/^[0-9a-f]{32}$/);
  const proof = { password: 'x', code: '000000' };
  for (const [isConfirmed, ask] of [
    [false, (service) => service.confirm(caller, '000000')],
    [true, (service) => service.disable(caller, proof)],
    [true, (service) => service.renewRecoveryCodes(caller, proof)],
  ] as [boolean, (service: ReturnType<typeof setUp>['service']) => Promise<unknown>][]) {
    for (const refuse of [false, true]) {
      const { seen, service } = setUp({ isConfirmed, refuse });
      const code = refuse ? 'too_many_attempts' : 'mfa_code_invalid';
      await expect(ask(service)).rejects.toMatchObject({ code });
      expect(seen.guesses).toEqual([asGuess(device)]);
    }
  }
});
