import FastifyOtel from '@fastify/otel';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { PrismaInstrumentation } from '@prisma/instrumentation';
import type { FastifyPluginCallback } from 'fastify';
import { scrubbing } from './scrubbing-exporter.js';

export type Tracing = {
  /** Traces the requests of an app; registered before everything else. */
  plugin: FastifyPluginCallback;
  /** Sends what is left. Never rejects: a collector that is away is nobody's trouble but its own. */
  flush: () => Promise<void>;
};

type TracingOptions = {
  /** Where spans go, as OTLP over HTTP. */
  url: string;
  serviceName: string;
};

/**
 * Begins to trace this process, once: each request, and each statement that Prisma sends for it. The sampler, headers for
 * the collector, batch sizes and resource attributes are read by OpenTelemetry itself from its own variables (`OTEL_…`).
 */
export function startTracing({ url, serviceName }: TracingOptions): Tracing {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName }).merge(
      detectResources({ detectors: [envDetector] }),
    ),
    spanProcessors: [new BatchSpanProcessor(scrubbing(new OTLPTraceExporter({ url })))],
  });
  provider.register();
  new PrismaInstrumentation().setTracerProvider(provider);

  const requests = new FastifyOtel.FastifyOtelInstrumentation({
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
    requestHook(span, request) {
      span.updateName(`${request.method} ${request.routeOptions.url ?? 'unknown'}`);
      span.setAttribute('request_id', request.id);
    },
  });
  requests.setTracerProvider(provider);

  return {
    plugin: requests.plugin(),
    flush: () => provider.forceFlush().catch(() => {}),
  };
}
