import { Type } from 'typebox';
import { Count, StrictObject, Timestamp } from '../../shared/schemas.js';
import { MAX_PASSWORD_CHARACTERS } from '../passwords/password-policy.js';
import { RECOVERY_CODE_COUNT } from './recovery-codes.js';

const MAX_CODE_CHARACTERS = 32;

const TotpCodeSchema = Type.String({
  minLength: 1,
  maxLength: MAX_CODE_CHARACTERS,
  description: 'The six digits that the authenticator app shows. Each code is good once.',
  examples: ['492039'],
});

export const CodeSchema = Type.String({
  minLength: 1,
  maxLength: MAX_CODE_CHARACTERS,
  description:
    'The six digits that the authenticator app shows, or a recovery code in any spelling. Each of them is good once.',
  examples: ['492039', '4k7qm-x9d2c'],
});

export const SecondFactorStatusSchema = StrictObject(
  {
    enabled: Type.Boolean({ description: 'Whether signing in takes a code.' }),
    confirmed_at: Type.Union([Timestamp('Since when.'), Type.Null()], {
      description: 'Since when; null when it is not.',
    }),
    recovery_codes_left: Count(RECOVERY_CODE_COUNT, {
      description: 'Offer new ones when they run low.',
      examples: [10],
    }),
  },
  {
    title: 'SecondFactorStatus',
    description: 'Whether this account has a second factor.',
    examples: [{ enabled: true, confirmed_at: '2026-11-22T16:00:00.000Z', recovery_codes_left: 10 }],
  },
);

export const EnrolmentSchema = StrictObject(
  {
    secret: Type.String({ maxLength: 200, description: 'For typing where there is no camera: base 32.' }),
    otpauth_url: Type.String({
      maxLength: 2_000,
      description: 'Show this as a QR code. It holds the secret: never log it, never send it elsewhere.',
    }),
  },
  {
    title: 'SecondFactorEnrolment',
    description: 'Begun. Nothing asks for codes before it is confirmed.',
    examples: [
      {
        secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
        otpauth_url:
          'otpauth://totp/Gatehouse:ada%40example.com?issuer=Gatehouse&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=30',
      },
    ],
  },
);

export const ConfirmEnrolmentSchema = StrictObject({ code: TotpCodeSchema }, { title: 'EnrolmentCode' });

export const ProofSchema = StrictObject(
  { password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_CHARACTERS }), code: CodeSchema },
  { title: 'PasswordAndCode', examples: [{ password: 'correct horse battery staple', code: '492039' }] },
);

const RECOVERY_CODES_EXAMPLE = [
  ...['4k7qm-x9d2c', '0h3wz-7pfr8', 'tn5ae-q1y6v', 'b8s2j-mk4xd', 'g9c7r-03hzw'],
  ...['p6v1t-en5qa', 'xd8jb-s24mk', 'y7f0g-rc9hw', 'z3qpe-t6n5v', 'a1mkx-8bd2s'],
];

export const RecoveryCodesSchema = StrictObject(
  {
    recovery_codes: Type.Array(Type.String({ maxLength: 50 }), {
      minItems: RECOVERY_CODE_COUNT,
      maxItems: RECOVERY_CODE_COUNT,
      description: 'Shown this once. Each stands in for one code of the app.',
    }),
  },
  {
    title: 'RecoveryCodes',
    description: 'The recovery codes: the person is to keep them where the phone is not.',
    examples: [{ recovery_codes: RECOVERY_CODES_EXAMPLE }],
  },
);
