import { readFileSync } from 'node:fs';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, RouteOptions } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import type { OpenAPIV3_1 } from 'openapi-types';
import { DomainError } from '../shared/domain-error.js';
import { ERROR_CODES, type ErrorCode } from '../shared/error-codes.js';
import { COMMON_ERRORS, PROBLEM_CONTENT_TYPE, ProblemSchema, toProblem } from '../shared/problem.js';
import { declareHeaders, HEADERS } from './openapi-headers.js';

type OpenApiOptions = { issuer: string; cookieName: string };

const GATE_ERRORS: ErrorCode[] = [
  'access_token_missing',
  'access_token_invalid',
  'access_token_expired',
  'session_ended',
];
const BODY_SIZE_ERRORS: ErrorCode[] = ['payload_too_large', 'unsupported_media_type'];
const BODY_ERRORS: ErrorCode[] = [...BODY_SIZE_ERRORS, 'validation_failed'];

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Gathers the routes into an OpenAPI 3.1 document, which `serveOpenApi` then serves. Register it before the routes. */
export const openApi = fastifyPlugin<OpenApiOptions>(
  async (app, { issuer, cookieName }) => {
    const routes = new Map<string, RouteOptions>();
    app.addHook('onRoute', (route) => {
      const { operationId } = (route.schema ?? {}) as { operationId?: string };
      if (operationId && route.method !== 'HEAD') routes.set(operationId, route);
    });

    await app.register(fastifySwagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Gatehouse',
          version,
          description:
            'Sign-in for your apps: short-lived access tokens in answers, rotating refresh tokens in a cookie. Branch on the `code` of an error, never on its text.',
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: issuer, 'x-internal': false } as { url: string }],
        tags: [
          { name: 'Accounts', description: 'Make an account, sign in, see who you are.' },
          { name: 'Sessions', description: 'Stay signed in, see where, and sign out.' },
          { name: 'Mail', description: 'Verify and change an address, choose a new password.' },
          { name: 'Tokens', description: 'Check access tokens elsewhere.' },
          { name: 'Health', description: 'Probes for whoever runs the service.' },
        ],
        components: {
          schemas: { Problem: ProblemSchema as never },
          headers: HEADERS as never,
          securitySchemes: {
            bearer: {
              type: 'http',
              scheme: 'bearer',
              bearerFormat: 'JWT',
              description: 'An access token: a JWT (RFC 9068), made and checked as RFC8725 asks.',
            },
            refreshCookie: { type: 'apiKey', in: 'cookie', name: cookieName },
          },
        },
      },
      transformObject: (document) => {
        if (!('openapiObject' in document)) return document.swaggerObject;
        const openapi = document.openapiObject as OpenAPIV3_1.Document;
        for (const operation of operationsOf(openapi)) {
          const route = routes.get(operation.operationId ?? '');
          if (route) complete(operation, route);
        }
        return openapi as typeof document.openapiObject;
      },
    });
  },
  { name: 'openapi' },
);

/** Serves the document. */
export function serveOpenApi(app: FastifyInstance): void {
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

/** Serves a page to browse the API and try it out. */
export async function serveReference(app: FastifyInstance): Promise<void> {
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { layout: 'BaseLayout', persistAuthorization: false, displayRequestDuration: true, validatorUrl: null },
    theme: { title: 'Gatehouse API' },
    staticCSP: false,
    uiHooks: {
      onRequest: async (_request, reply) => {
        reply.header('content-security-policy', PAGE_POLICY).header('cache-control', 'no-cache');
      },
    },
    logLevel: 'warn',
  });
}

/** The reference is a page: it may load its own scripts and styles, show the images that it inlines, and call the API. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

function operationsOf({ paths = {} }: OpenAPIV3_1.Document): OpenAPIV3_1.OperationObject[] {
  return Object.values(paths).flatMap((item) => Object.values(item ?? {}) as OpenAPIV3_1.OperationObject[]);
}

/** Says what route schemas cannot, above all every error that an operation can answer with, by status: those of its own, of the gate, of all. */
function complete(operation: OpenAPIV3_1.OperationObject, route: RouteOptions): void {
  const { config, schema } = route;
  const codes = new Set<ErrorCode>([
    ...(config?.errors ?? []),
    ...(config?.guarded ? GATE_ERRORS : []),
    ...(config?.requireRecentAuth === undefined ? [] : (['insufficient_user_authentication'] as const)),
    ...(schema?.body || schema?.querystring ? BODY_ERRORS : []),
    // A body that nobody asked for is read all the same.
    ...(route.method === 'GET' ? [] : BODY_SIZE_ERRORS),
    ...COMMON_ERRORS,
  ]);
  if (config?.optionalBody) Object.assign(operation.requestBody ?? {}, { required: false });
  if (config?.guarded) operation.security = [{ bearer: [] }];
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes)
    byStatus.set(ERROR_CODES[code].status, [...(byStatus.get(ERROR_CODES[code].status) ?? []), code]);
  operation.responses ??= {};
  for (const [status, ofStatus] of [...byStatus].sort(([a], [b]) => a - b)) {
    operation.responses[String(status)] ??= {
      description: ofStatus.map((code) => `\`${code}\`: ${ERROR_CODES[code].detail}`).join('\n\n'),
      content: {
        [PROBLEM_CONTENT_TYPE]: {
          schema: {
            allOf: [
              { $ref: '#/components/schemas/Problem' },
              { type: 'object', properties: { code: { type: 'string', enum: [...ofStatus] } } },
            ],
          },
          examples: Object.fromEntries(ofStatus.map((code) => [code, { value: exampleOf(code) }])),
        },
      },
    };
  }
  declareHeaders(operation, { setsCookie: config?.setsCookie === true, isLimited: config?.rateLimit !== false });
}

function exampleOf(code: ErrorCode) {
  return toProblem(new DomainError(code), '3f1c9a52-8f0e-4e7b-9a53-0d1f6f5b7a10');
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The error codes that this route answers with, beyond those that any route may. */
    errors?: ErrorCode[];
    optionalBody?: boolean;
    /** Whether its success sets or clears a cookie. */
    setsCookie?: boolean;
  }
}
