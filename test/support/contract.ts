import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { LightMyRequestResponse as Response } from 'fastify';
import { type OpenApiDocument, type Operation, operationsOf } from './openapi.js';

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/**
 * Judges answers by the OpenAPI document: the status is one that the operation declares, the body has the declared type and
 * shape, and no header of those that the document knows comes undeclared.
 *
 * @returns what is wrong; undefined when nothing is
 */
export function createContract(document: OpenApiDocument) {
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
  ajv.addFormat('uuid', UUID);
  ajv.addFormat('date-time', (text: string) => new Date(text).toISOString() === text);
  ajv.addFormat('int32', { type: 'number', validate: (value: number) => Number.isInteger(value) });
  // Words of OpenAPI and of people, which ajv's strict mode wants to hear of.
  ajv.addVocabulary(['example']);
  const knownHeaders = Object.keys(document.components.headers).map((name) => name.toLowerCase());
  const validators = new Map<string, ValidateFunction>();

  function validatorOf({ id, responses }: Operation, status: string, mediaType: string): ValidateFunction | undefined {
    const key = `${id} ${status} ${mediaType}`;
    const schema = responses[status]?.content?.[mediaType]?.schema;
    if (schema === undefined) return undefined;
    const validator = validators.get(key) ?? ajv.compile(resolve(schema, document) as object);
    validators.set(key, validator);
    return validator;
  }

  return {
    operations: operationsOf(document),

    faultOf(operation: Operation, { statusCode, headers, body }: Response): string | undefined {
      const status = String(statusCode);
      const declared = operation.responses[status];
      if (declared === undefined) return `${status} is not declared: ${body}`;
      if (statusCode === 500) return `500: ${body}`;
      const allowed = Object.keys(declared.headers ?? {}).map((name) => name.toLowerCase());
      const undeclared = knownHeaders.filter((name) => headers[name] !== undefined && !allowed.includes(name));
      if (undeclared.length > 0) return `${status} has undeclared headers: ${undeclared.join(', ')}`;
      if (!UUID.test(String(headers['x-request-id']))) return `${status} has no X-Request-Id`;
      if (declared.content === undefined) return body === '' ? undefined : `${status} has a body: ${body}`;
      const mediaType = String(headers['content-type']).split(';')[0] ?? '';
      const validate = validatorOf(operation, status, mediaType);
      if (validate === undefined) return `${status} is ${mediaType}, which is not declared`;
      return validate(JSON.parse(body)) ? undefined : `${status}: ${ajv.errorsText(validate.errors)} in ${body}`;
    },
  };
}

/** A schema with what it refers to put in its place. */
function resolve(schema: unknown, document: OpenApiDocument): unknown {
  if (Array.isArray(schema)) return schema.map((part) => resolve(part, document));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref } = schema as { $ref?: string };
  if ($ref !== undefined) return resolve(document.components.schemas[$ref.split('/').at(-1) ?? ''], document);
  return Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, resolve(part, document)]));
}
