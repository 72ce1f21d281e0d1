import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { SigningKeys } from './signing-keys.js';

const JwkSchema = Type.Object(
  { kty: Type.String(), kid: Type.String(), alg: Type.String(), use: Type.Literal('sig') },
  { additionalProperties: Type.String() },
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
        security: [],
        response: { 200: Type.Object({ keys: Type.Array(JwkSchema) }, { title: 'JsonWebKeySet' }) },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=300');
      return keys.jwks() as never;
    },
  );
};
