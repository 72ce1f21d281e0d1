import { readFileSync } from 'node:fs';
import { freshEmail, PASSWORD } from './test-app.js';

export type JsonSchema = {
  type?: string;
  properties?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
  enum?: unknown[];
  minLength?: number;
  maxLength?: number;
};

export type Parameter = { name: string; in: 'query' | 'path' | 'header'; required: boolean; schema: JsonSchema };

export type DeclaredResponse = {
  headers?: Record<string, object>;
  content?: Record<string, { schema: JsonSchema }>;
};

export type Operation = {
  id: string;
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  /** Whether it needs an access token. */
  guarded: boolean;
  parameters: Parameter[];
  /** The object that it takes for a body, if it takes one. */
  body?: JsonSchema;
  responses: Record<string, DeclaredResponse>;
};

type Described = {
  operationId: string;
  security?: Record<string, string[]>[];
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: JsonSchema }> };
  responses: Record<string, DeclaredResponse>;
};

export type OpenApiDocument = {
  components: { schemas: Record<string, JsonSchema>; headers: Record<string, object> };
  paths: Record<string, Record<string, Described>>;
};

/** The document in docs/, which a test of its own holds equal to the one that is served. */
export function readOpenApi(): OpenApiDocument {
  return JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
}

export function operationsOf(document: OpenApiDocument): Operation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => ({
      id: described.operationId,
      method: method.toUpperCase() as Operation['method'],
      path,
      guarded: described.security?.length === 1 && described.security[0]?.bearer !== undefined,
      parameters: described.parameters ?? [],
      ...bodyOf(described),
      responses: described.responses,
    })),
  );
}

function bodyOf({ requestBody }: Described): { body?: JsonSchema } {
  const schema = requestBody?.content['application/json']?.schema;
  const object = schema?.anyOf?.find(({ type }) => type === 'object') ?? schema;
  return object ? { body: object } : {};
}

/** A body that the schema takes, with values that the service has use for where there are such. */
export function sampleBody({ body }: Operation): Record<string, unknown> {
  return Object.fromEntries(Object.keys(body?.properties ?? {}).map((name) => [name, sampleOf(name)]));
}

function sampleOf(name: string): string {
  if (name.includes('email')) return freshEmail();
  if (name === 'new_password') return 'another horse, another battery';
  if (name.includes('password')) return PASSWORD;
  if (name === 'transport') return 'body';
  return name === 'code' ? '492039' : 'q6cJ5v0Zr2mXh8yTqk1uGd4oBvWn7sLpE3iRfA9xYzM';
}

/** The address of an operation; `values` for the parameters that it has in path and query. */
export function urlOf({ path, parameters }: Operation, values: Record<string, string> = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_all, name: string) =>
    encodeURIComponent(values[name] ?? '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e'),
  );
  const query = new URLSearchParams();
  for (const { name, in: place } of parameters) {
    const value = values[name];
    if (place === 'query' && value !== undefined) query.append(name, value);
  }
  return query.size === 0 ? filled : `${filled}?${query}`;
}
