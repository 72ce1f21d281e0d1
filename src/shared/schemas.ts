import { Type } from 'typebox';

/** A point in time: RFC 3339, UTC. */
export const Timestamp = (description: string) =>
  Type.String({ format: 'date-time', maxLength: 30, description, examples: ['2026-11-22T16:00:00.000Z'] });

export const Id = (description: string) =>
  Type.String({ format: 'uuid', maxLength: 36, description, examples: ['0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e'] });

/** A whole number in an answer, 0 or more. */
export const Count = (maximum: number, options: Type.TSchemaOptions = {}) =>
  Type.Integer({ format: 'int32', minimum: 0, maximum, ...options });

/** Generations of a session, as Postgres keeps them. */
export const MAX_INT32 = 2_147_483_647;

/** Text that came from somewhere else, such as a user agent: stored no longer than this. */
export const NullableText = (options: Type.TSchemaOptions = {}) =>
  Type.Union([Type.String({ maxLength: 1_000 }), Type.Null()], options);

/** An object that holds what is named and nothing else. */
export const StrictObject = <Properties extends Type.TProperties>(
  properties: Properties,
  options: Type.TObjectOptions = {},
) => Type.Object(properties, { additionalProperties: false, ...options });

/** An answer that tells no more than that it was heard. */
export const Accepted = (description: string) => StrictObject({}, { description });

/** An answer without a body. */
export const NoContent = (description: string) => Type.Null({ description });
