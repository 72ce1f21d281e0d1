import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { StrictObject } from '../shared/schemas.js';

type PlaygroundOptions = {
  /** What Vite built, as an absolute path; the project's own unless given. */
  folder?: string | undefined;
  settings: Settings;
};

/** What the page must know of the service before it can draw itself. */
const SettingsSchema = StrictObject({
  service_name: Type.String(),
  mailbox: Type.Boolean({ description: 'Whether /dev/mailbox shows mails.' }),
  faults: Type.Boolean({ description: 'Whether /dev/faults breaks things.' }),
});

type Settings = Type.Static<typeof SettingsSchema>;

/** The same from `src/plugins` and from `dist/plugins`. */
const BUILT_FOLDER = fileURLToPath(new URL('../../playground/dist/', import.meta.url));

/** The page runs its own files and nothing else; not even its own scripts may turn text into code (Trusted Types). */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/**
 * Serves the playground: the page at exactly `/playground`, where links in mails lead, and its files below. Each file
 * has a route of its own, so that no path can name anything else.
 *
 * @throws when it is not built
 */
export const playground: FastifyPluginAsyncTypebox<PlaygroundOptions> = async (
  app,
  { folder = BUILT_FOLDER, settings },
) => {
  if (!existsSync(path.join(folder, 'index.html'))) {
    throw new Error('PLAYGROUND_ENABLED=true, but the playground is not built. Run: npm run build');
  }

  await app.register(fastifyStatic, {
    root: path.join(folder, 'assets'),
    prefix: '/playground/assets/',
    wildcard: false,
    index: false,
    // Their names change with their content.
    immutable: true,
    maxAge: '365d',
  });

  app.get('/playground', { schema: { hide: true } }, async (_request, reply) =>
    reply
      .header('content-security-policy', PAGE_POLICY)
      .header('cache-control', 'no-cache')
      .sendFile('index.html', folder, { cacheControl: false }),
  );

  app.get('/playground/', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/playground', 308));

  app.get(
    '/playground/settings.json',
    { schema: { hide: true, response: { 200: SettingsSchema } } },
    async () => settings,
  );
};
