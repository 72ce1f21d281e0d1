import { Type } from 'typebox';
import { Count, StrictObject } from '../../shared/schemas.js';
import { CodeSchema } from '../second-factor/second-factor-schemas.js';
import { KnownDeviceSchema, TOKEN_RESPONSE_EXAMPLE, TokenResponseSchema } from '../sessions/session-schemas.js';

const MfaTokenSchema = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'Says that the password was right. Good for /v1/auth/mfa alone, and for some minutes.',
  examples: ['AVkBmeCkfB59Op0PbwEvKjxNXgAAAAEAaSIO…'],
});

const MFA_REQUIRED_EXAMPLE = {
  mfa_required: true,
  mfa_token: 'AVkBmeCkfB59Op0PbwEvKjxNXgAAAAEAaSIO…',
  expires_in: 300,
  methods: ['totp', 'recovery_code'],
};

const MfaRequiredSchema = StrictObject(
  {
    mfa_required: Type.Literal(true),
    mfa_token: MfaTokenSchema,
    expires_in: Count(86_400, { description: 'Lifetime of the mfa_token in seconds.', examples: [300] }),
    methods: Type.Array(Type.Enum(['totp', 'recovery_code']), { maxItems: 2, description: 'What /v1/auth/mfa takes.' }),
  },
  {
    title: 'MfaRequired',
    description: 'Not signed in yet: the password was right, and the account has a second factor. No cookie is set.',
    examples: [MFA_REQUIRED_EXAMPLE],
  },
);

/** What a right password leads to. */
export const LoginResponseSchema = Type.Union([TokenResponseSchema, MfaRequiredSchema], {
  title: 'LoginResponse',
  description: 'Signed in, or, for an account with a second factor (`mfa_required`), half-way there.',
  examples: [TOKEN_RESPONSE_EXAMPLE, MFA_REQUIRED_EXAMPLE],
});

export const MfaRequestSchema = StrictObject(
  { mfa_token: MfaTokenSchema, code: CodeSchema, known_device: Type.Optional(KnownDeviceSchema) },
  {
    title: 'MfaRequest',
    examples: [{ mfa_token: 'AVkBmeCkfB59Op0PbwEvKjxNXgAAAAEAaSIO…', code: '492039' }],
  },
);
