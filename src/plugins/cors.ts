import fastifyCors from '@fastify/cors';
import fastifyPlugin from 'fastify-plugin';

/** Lets the pages of the allowed origins call the service and send its cookie. Any other origin gets no CORS header. */
export const cors = fastifyPlugin<{ allowedOrigins: readonly string[] }>(
  async (app, { allowedOrigins }) => {
    await app.register(fastifyCors, {
      hideOptionsRoute: true,
      // Of the origin alone: options that are given for each request are put together for each request.
      origin: (origin, done) => done(null, origin !== undefined && allowedOrigins.includes(origin)),
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
    });
  },
  { name: 'cors' },
);
