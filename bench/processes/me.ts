/** An answer of the size of `GET /v1/me`, and how it is written: the same text for whoever serves it. */
export const meAnswer = {
  id: '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e',
  email: 'ada@example.com',
  email_verified: false,
  created_at: '2026-11-22T16:00:00.000Z',
};

const text = { type: 'string' };

export const meSchema = {
  response: {
    200: {
      type: 'object',
      required: ['id', 'email', 'email_verified', 'created_at'],
      additionalProperties: false,
      properties: { id: text, email: text, email_verified: { type: 'boolean' }, created_at: text },
    },
  },
};
