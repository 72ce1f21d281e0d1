import { Type } from 'typebox';
import { StrictObject } from '../../shared/schemas.js';
import { MAX_PASSWORD_CHARACTERS } from '../passwords/password-policy.js';
import { KnownDeviceSchema, TransportSchema } from '../sessions/session-schemas.js';

/** A password as it is sent: whether a new one will do is decided by the policy. */
export const PasswordSchema = Type.String({
  minLength: 1,
  maxLength: MAX_PASSWORD_CHARACTERS,
  examples: ['correct horse battery staple'],
});

export const CredentialsSchema = StrictObject(
  {
    email: Type.String({ minLength: 1, maxLength: 254, examples: ['ada@example.com'] }),
    password: PasswordSchema,
    transport: Type.Optional(TransportSchema),
    known_device: Type.Optional(KnownDeviceSchema),
  },
  {
    title: 'Credentials',
    examples: [{ email: 'ada@example.com', password: 'correct horse battery staple' }],
  },
);
