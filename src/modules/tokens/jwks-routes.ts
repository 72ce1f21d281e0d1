import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { SigningKeys } from './signing-keys.js';

const JwkSchema = Type.Object(
  {
    kty: Type.String({ maxLength: 20 }),
    kid: Type.String({ maxLength: 100 }),
    alg: Type.String({ maxLength: 20 }),
    use: Type.Literal('sig'),
  },
  { additionalProperties: Type.String({ maxLength: 2_000 }) },
);

/** The public keys, for whoever wants to check an access token without asking us (RFC 7517). */
export const jwksRoutes: FastifyPluginAsyncTypebox<{ keys: SigningKeys }> = async (app, { keys }) => {
  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        operationId: 'getJwks',
        tags: ['Tokens'],
        summary: 'The keys that sign access tokens',
        description:
          'For services that check access tokens by themselves (RFC 7517). May be kept for five minutes; a new key is here before it signs.',
        security: [],
        response: { 200: Type.Object({ keys: Type.Array(JwkSchema, { maxItems: 100 }) }, { title: 'JsonWebKeySet' }) },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=300');
      return keys.jwks() as never;
    },
  );
};
