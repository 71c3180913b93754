# Two stages: compilers stay in the first. Build and run from the root of the repository:
#   docker build -t ntkuqd .
#   docker run -p 127.0.0.1:8734:8734 -v ntkuqd:/var/lib/ntkuqd \
#              -v "$PWD/token:/run/secrets/ntkuqd_token:ro" ntkuqd
# Archives to be re-scored: -v /data/archive:/archive:ro, and --archive_dirs /archive behind the arguments
# of CMD. The token file is needed because inside the container the daemon listens on every address. It belongs
# to user 10001 and has mode 0600. Docker 23 or newer: older ones forbid the Landlock system calls.
FROM debian:12-slim AS build
WORKDIR /src
COPY deploy/install-deps.sh deploy/
RUN deploy/install-deps.sh build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make -j"$(nproc)" all && make install DESTDIR=/out

FROM debian:12-slim
COPY deploy/install-deps.sh /tmp/
RUN /tmp/install-deps.sh run && rm -rf /var/lib/apt/lists/* /tmp/install-deps.sh \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/ntkuqd --shell /usr/sbin/nologin \
            ntkuqd \
 && install -d -m 0700 -o ntkuqd -g ntkuqd /var/lib/ntkuqd
COPY --from=build /out/usr/local/bin/ntkuq /out/usr/local/bin/ntkuqd /usr/local/bin/
USER 10001:10001
WORKDIR /var/lib/ntkuqd
VOLUME /var/lib/ntkuqd
EXPOSE 8734
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--show-error", "--max-time", "2", "http://127.0.0.1:8734/healthz"]
ENTRYPOINT ["ntkuqd"]
CMD ["--listen_address", "0.0.0.0", "--port", "8734", "--state_dir", "/var/lib/ntkuqd", \
     "--ntkuq_program", "/usr/local/bin/ntkuq", "--token_file", "/run/secrets/ntkuqd_token"]
