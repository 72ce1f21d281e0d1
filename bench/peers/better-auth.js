// Better Auth under Fastify, as its documentation sets it up: https://better-auth.com/docs/integrations/fastify.
// Passwords by bcrypt instead of its default scrypt: https://better-auth.com/docs/authentication/email-password.
import bcrypt from 'bcrypt';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { fromNodeHeaders } from 'better-auth/node';
import Fastify from 'fastify';
import pg from 'pg';
import { answerParent, BCRYPT_COST, emailOf, PASSWORD } from './answer.js';

const { COOKIE_CACHE, UPDATE_ALWAYS, DATABASE_URL } = process.env;
let hash;
const baseURL = 'http://localhost:3000';

const auth = betterAuth({
  baseURL,
  secret: 'a secret of the bench, which guards nothing at all',
  database: new pg.Pool({ connectionString: DATABASE_URL, max: 10 }),
  emailAndPassword: {
    enabled: true,
    password: {
      // Made once for the people of the bench, who all have the same.
      hash: (password) => {
        hash ??= bcrypt.hash(password, BCRYPT_COST);
        return hash;
      },
      verify: ({ hash, password }) => bcrypt.compare(password, hash),
    },
  },
  session: {
    cookieCache: { enabled: COOKIE_CACHE === 'true', maxAge: 5 * 60 },
    // Its nearest to a refresh: the session is prolonged when it is read, at most once in so many seconds.
    ...(UPDATE_ALWAYS === 'true' ? { updateAge: 0 } : {}),
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});

await (await getMigrations(auth.options)).runMigrations();

const fastify = Fastify();

fastify.route({
  method: ['GET', 'POST'],
  url: '/api/auth/*',
  async handler(request, reply) {
    const url = new URL(request.url, `http://${request.headers.host}`);
    const headers = fromNodeHeaders(request.headers);
    const req = new Request(url.toString(), {
      method: request.method,
      headers,
      ...(request.body ? { body: JSON.stringify(request.body) } : {}),
    });
    const response = await auth.handler(req);
    reply.status(response.status);
    response.headers.forEach((value, key) => {
      reply.header(key, value);
    });
    return reply.send(response.body ? await response.text() : null);
  },
});

fastify.get('/me', async (request, reply) => {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
  if (!session) return reply.code(401).send({ error: 'unauthorized' });
  const { id, email, emailVerified, createdAt } = session.user;
  return { id, email, email_verified: emailVerified, created_at: createdAt };
});

const address = new URL(await fastify.listen({ host: '127.0.0.1', port: 0 }));
answerParent(Number(address.port), {
  /** Signs up so many people. @returns a cookie header of each */
  async people(count) {
    const cookies = [];
    for (let person = 0; person < count; person += 1) {
      const { headers } = await auth.api.signUpEmail({
        body: { email: emailOf(person), password: PASSWORD, name: 'Ada' },
        returnHeaders: true,
      });
      cookies.push(
        headers
          .getSetCookie()
          .map((cookie) => cookie.split(';')[0])
          .join('; '),
      );
    }
    return cookies;
  },
});
