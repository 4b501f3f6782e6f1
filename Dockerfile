# syntax=docker/dockerfile:1
# Node 24 on Debian 13: the pair on which uWebSockets.js has the acceptor's calls (glibc 2.38 or later).
#
#   docker build -t weir .
#   docker run -p 8080:8080 -v ./weir.yaml:/etc/weir/weir.yaml:ro -e OPENAI_API_KEY weir

FROM node:24-trixie-slim AS build
WORKDIR /opt/weir
# Modules first: this layer stays while only the sources change. No scripts yet, because the
# project's own `prepare` builds, and there is nothing to build so far.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.page.json bundle.mjs ./
COPY config ./config
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts
# uWebSockets.js comes with a file for every system and Node there is, 97 MB. Only this image's own stays,
# and it must load here and have what the image is made for.
RUN find node_modules/uWebSockets.js -name '*.node' \
      ! -name "uws_linux_$(node -p process.arch)_$(node -p process.versions.modules).node" -delete \
 && node -e "const app = require('uWebSockets.js').App(); if (!app.addChildAppDescriptor) process.exit(1); app.close()"

FROM node:24-trixie-slim
LABEL org.opencontainers.image.title="Weir" \
      org.opencontainers.image.licenses="Apache-2.0"
# WEIR_HEALTH_URL is for the health check below: set it where `admin` has another port.
ENV NODE_ENV=production \
    WEIR_HEALTH_URL=http://127.0.0.1:8081/readyz
COPY --from=build /opt/weir/package.json /opt/weir/
COPY LICENSE /opt/weir/
COPY --from=build /opt/weir/node_modules /opt/weir/node_modules
COPY --from=build /opt/weir/config /opt/weir/config
COPY --from=build /opt/weir/dist /opt/weir/dist
COPY config/weir.yaml /etc/weir/weir.yaml
# For `state_dir: /var/lib/weir`, the one place that Weir may write to; a relative one is beside the configuration. 1000 is `node` in the base
# image, as a number so that Kubernetes' runAsNonRoot can see it.
RUN install -d -o 1000 -g 1000 /var/lib/weir
WORKDIR /var/lib/weir
USER 1000:1000
# 8081, the admin port, listens on the container's loopback: health checks from inside reach it, nobody
# else does. To scrape /metrics from outside set `admin: { host: 0.0.0.0, port: 8081, token: … }`
# and keep it off the public network.
EXPOSE 8080 8081
# SIGTERM drains: streams in flight end first, for up to `drain_timeout`, 60 s. Give the container longer
# than that to stop: `docker stop -t 75`, terminationGracePeriodSeconds: 75.
STOPSIGNAL SIGTERM
# Ready means that every worker listens. There is no curl in a slim image.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.WEIR_HEALTH_URL).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No shell in between: Node is process 1 and gets the signals itself.
ENTRYPOINT ["node", "/opt/weir/dist/main.js"]
CMD ["--config", "/etc/weir/weir.yaml"]
