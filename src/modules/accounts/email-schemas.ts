import { Type } from 'typebox';
import { StrictObject } from '../../shared/schemas.js';
import { MAX_PASSWORD_CHARACTERS } from '../passwords/password-policy.js';

const Email = Type.String({ minLength: 1, maxLength: 254, examples: ['ada@example.com'] });
const Password = Type.String({
  minLength: 1,
  maxLength: MAX_PASSWORD_CHARACTERS,
  examples: ['correct horse battery staple'],
});
const Token = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'From the fragment of the link in the mail.',
  examples: ['q6cJ5v0Zr2mXh8yTqk1uGd4oBvWn7sLpE3iRfA9xYzM'],
});

export const AddressSchema = StrictObject({ email: Email }, { title: 'Address' });

export const TokenSchema = StrictObject({ token: Token }, { title: 'MailedToken' });

export const EmailChangeSchema = StrictObject({ new_email: Email, password: Password }, { title: 'EmailChange' });

export const PasswordResetSchema = StrictObject({ token: Token, new_password: Password }, { title: 'PasswordReset' });
