import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { DomainError } from '../shared/domain-error.js';

/** Takes JSON bodies and no others: text/plain, which a foreign page may post without asking, is refused (415). */
export const jsonBody = fastifyPlugin(
  async (app: FastifyInstance) => {
    const parseJson = app.getDefaultJsonParser('error', 'error');
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
      if (body.length === 0) {
        // Many HTTP libraries say "JSON" even when they send nothing.
        done(null, undefined);
      } else if (!isUtf8(body)) {
        done(new DomainError('malformed_request', { detail: 'The body is not UTF-8.' }));
      } else {
        void parseJson(request, body.toString('utf8'), done);
      }
    });

    app.addHook('preValidation', ({ body, params, query }, _reply, done) => {
      if (isStorableText(body) && isStorableText(params) && isStorableText(query)) return done();
      const detail = 'Text may hold neither NUL nor half a surrogate pair.';
      done(new DomainError('malformed_request', { detail }));
    });
  },
  { name: 'json-body' },
);

/** Whether all strings in a value, however deep, are text that Postgres can store and UTF-8 can say. */
function isStorableText(value: unknown): boolean {
  // A list, and no recursion: what was sent may be nested deeper than the stack is.
  const left: unknown[] = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === 'string' && (!one.isWellFormed() || one.includes('\0'))) return false;
    if (typeof one === 'object' && one !== null) left.push(...Object.keys(one), ...Object.values(one));
  }
  return true;
}
