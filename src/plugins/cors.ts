import fastifyCors, { type FastifyCorsOptions } from '@fastify/cors';
import fastifyPlugin from 'fastify-plugin';

/** Lets the pages of the allowed origins call the service and send its cookie. Any other origin gets no CORS header. */
export const cors = fastifyPlugin<{ allowedOrigins: readonly string[] }>(
  async (app, { allowedOrigins }) => {
    const allowed: FastifyCorsOptions = {
      origin: true,
      credentials: true,
      methods: ['GET', 'POST', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type'],
      exposedHeaders: [
        'retry-after',
        'ratelimit-limit',
        'ratelimit-remaining',
        'ratelimit-reset',
        'www-authenticate',
        'x-request-id',
      ],
      maxAge: 600,
      // An OPTIONS that is no preflight is answered as any other method that an address lacks.
      strictPreflight: false,
    };
    await app.register(fastifyCors, {
      hideOptionsRoute: true,
      delegator: ({ headers: { origin = '' } }, done) =>
        done(null, allowedOrigins.includes(origin) ? allowed : { origin: false }),
    });
  },
  { name: 'cors' },
);
