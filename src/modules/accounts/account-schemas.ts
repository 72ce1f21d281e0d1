import { Type } from 'typebox';
import { StrictObject } from '../../shared/schemas.js';
import { TransportSchema } from '../sessions/session-schemas.js';
import { MAX_PASSWORD_CHARACTERS } from './password-policy.js';

export const CredentialsSchema = StrictObject(
  {
    email: Type.String({ minLength: 1, maxLength: 254, examples: ['ada@example.com'] }),
    password: Type.String({
      minLength: 1,
      maxLength: MAX_PASSWORD_CHARACTERS,
      examples: ['correct horse battery staple'],
    }),
    transport: Type.Optional(TransportSchema),
  },
  {
    title: 'Credentials',
    examples: [{ email: 'ada@example.com', password: 'correct horse battery staple' }],
  },
);
