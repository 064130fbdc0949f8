# Muster, as small as it gets: built in one stage, run in another as a user of its own.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY inventory inventory
COPY probes probes
COPY monitor monitor
COPY config config
COPY dashboards dashboards
RUN python -m venv /opt/muster \
    && /opt/muster/bin/pip install --no-cache-dir --disable-pip-version-check ".[channels,ftp,iso8583,kafka,ldap,mongodb,mysql,oracle,pictures,postgresql,redis,snmp,xlsx]"

FROM python:3.13-slim-bookworm
# setcap: a user that is not root may send ICMP. The container keeps the one capability it needs.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libcap2-bin \
    && setcap cap_net_raw+ep "$(readlink -f /usr/local/bin/python3)" \
    && apt-get purge --yes --auto-remove libcap2-bin \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 8787 --home-dir /var/lib/muster --create-home --shell /usr/sbin/nologin muster
COPY --from=build /opt/muster /opt/muster
ENV PATH=/opt/muster/bin:$PATH PYTHONUNBUFFERED=1
USER 8787
WORKDIR /var/lib/muster
VOLUME ["/var/lib/muster"]
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8787/healthz', timeout=4)"]
ENTRYPOINT ["muster"]
CMD ["run", "-c", "/etc/muster/muster.toml"]
