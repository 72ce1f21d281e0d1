import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node';

/** What a span may say: no path, which may hold anything that was pasted into it, no header, no body, no value. */
const ALLOWED = new Set([
  'http.request.method',
  'http.response.status_code',
  'http.route',
  'request_id',
  // Statements with places for their values, which travel apart.
  'db.query.text',
  'db.system.name',
  'method',
  'model',
  'name',
]);

/** Lets through of each span only what is known to be harmless: libraries add attributes as they grow. */
export function scrubbing(inner: SpanExporter): SpanExporter {
  return {
    export: (spans, done) => inner.export(spans.map(scrubbed), done),
    shutdown: () => inner.shutdown(),
    forceFlush: async () => inner.forceFlush?.(),
  };
}

function scrubbed(span: ReadableSpan): ReadableSpan {
  const attributes = Object.fromEntries(Object.entries(span.attributes).filter(([name]) => ALLOWED.has(name)));
  const { code } = span.status;
  // A caller's tracestate is a header like any other.
  const { traceState: _foreign, ...context } = span.spanContext();
  return Object.create(span, {
    spanContext: { value: () => context },
    attributes: { value: attributes },
    // Their texts are those of errors, which may quote what was sent.
    events: { value: [] },
    status: { value: { code } },
  });
}
