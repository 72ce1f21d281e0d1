# Nothing here comes from anywhere but npm and the base image: no syntax directive (it would fetch a frontend),
# no apt, no engine of Prisma's. The stages are shell on plain folders, so that deploy/image-smoke.sh can follow them.

# By digest, so that the same build is the same image; Renovate moves the two together.
ARG NODE_IMAGE=node:24.20.0-bookworm-slim@sha256:ba849c60be29959425b8734d57b8b4b7d56f98edd9504c9af091d5281095a71e

FROM ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

# What the service loads at run time.
FROM manifests AS dependencies
# "optional" too: Prisma's CLI and TypeScript are optional peers of @prisma/client, and would come along (220 MB).
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional
COPY deploy/prune-node-modules.mjs ./
RUN node prune-node-modules.mjs node_modules

# TypeScript to JavaScript, and the playground, which holds the client.
FROM manifests AS build
RUN --mount=type=cache,target=/root/.npm npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/generate.js scripts/sbom.js ./scripts/
COPY prisma ./prisma
COPY src ./src
COPY client ./client
COPY playground ./playground
RUN npm run build

FROM ${NODE_IMAGE}
ARG SOURCE_URL=""
ARG REVISION=""
LABEL org.opencontainers.image.title="Gatehouse" \
      org.opencontainers.image.description="A sign-in service: short-lived access tokens, rotating refresh tokens, and logout that reaches every instance." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${SOURCE_URL}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
# Everything belongs to root: the service can read its own code, never change it.
COPY --from=dependencies /app/node_modules ./node_modules
# The mode is set because a checkout under a strict umask would leave files that only root can read.
COPY --chmod=755 package.json LICENSE deploy/entrypoint.sh ./
COPY --chmod=755 prisma ./prisma
COPY --from=build /app/dist ./dist
COPY --from=build /app/playground/dist ./playground/dist
ENV HOST=0.0.0.0 PORT=3000
EXPOSE 3000
# The user "node", by number: Kubernetes' runAsNonRoot cannot tell what a name stands for.
USER 1000:1000
STOPSIGNAL SIGTERM
# Alive, not ready: a database that is away is no reason to restart the service.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://localhost:' + process.env.PORT + '/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["sh", "/app/entrypoint.sh"]
CMD []
