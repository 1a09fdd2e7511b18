# Two images: `app` (api, worker, baseline, migrations: one for all, the command says which) and `demo` (nginx and the
# pages). What builds stays in the stages before them, and both are flattened: they begin from nothing and copy a tidied
# root, so that what was removed is not carried along in a layer below.

FROM python:3.13-slim AS python-packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/venv
COPY requirements/run.txt /tmp/run.txt
RUN /opt/venv/bin/pip install --quiet --require-hashes -r /tmp/run.txt \
    && /opt/venv/bin/pip uninstall --quiet --yes pip

FROM python:3.13-slim AS python-root
RUN groupadd --system --gid 10001 app \
    && useradd --system --uid 10001 --gid app --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin app \
    && install --directory --owner app --group app /data \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale \
        /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip \
        /usr/lib/python3/dist-packages /usr/share/python-wheels /root/.cache \
    && mkdir -p /var/cache /var/log

FROM node:24-slim AS npm-packages
WORKDIR /hub
COPY demo_client/package.json demo_client/package-lock.json demo_client/.npmrc demo_client/vendor.mjs ./
RUN npm ci --silent --omit=dev

FROM scratch AS app
COPY --from=python-root / /
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LOG_FORMAT=json DOCS_FILES=/app/swagger-ui
COPY --from=python-packages /opt/venv /opt/venv
WORKDIR /app
COPY --from=npm-packages /hub/site/vendor/swagger-ui swagger-ui
COPY alembic.ini ./
COPY migrations migrations
COPY protocol protocol
COPY service service
COPY workloads workloads
COPY worker worker
COPY baseline baseline
COPY api api
RUN ["python", "-m", "compileall", "-q", "-j", "0", "."]
USER 10001:10001
STOPSIGNAL SIGTERM
CMD ["python", "-m", "api"]

FROM nginx:1.29 AS nginx-root
RUN rm -rf /etc/nginx/* /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc /usr/share/man /usr/share/info \
        /usr/share/locale /usr/share/nginx \
    && install --directory --owner 101 --group 101 /run/hub \
    && mkdir -p /var/log/nginx /var/cache/nginx

FROM scratch AS demo
COPY --from=nginx-root / /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin
COPY nginx.conf /etc/nginx/nginx.conf
COPY deploy/container/hub.d /etc/nginx/hub.d
COPY --from=npm-packages /hub/site/vendor /srv/hub/vendor
COPY demo_client/site /srv/hub
USER 101:101
EXPOSE 8080 8000
STOPSIGNAL SIGQUIT
CMD ["nginx", "-p", "/run/hub/", "-c", "/etc/nginx/nginx.conf", "-e", "stderr", "-g", "daemon off;"]
