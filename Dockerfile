# The program alone on a distroless base: no shell, no package manager, not root.
# It writes to /var/lib/pushonce only, so the root can be read-only:
#
#   docker build -t pushonce .
#   docker run --read-only --cap-drop ALL -p 5000:5000 \
#     -e PUSHONCE_UPSTREAM__URL=http://registry:5000 -v ledger:/var/lib/pushonce pushonce

FROM rust:1.95-bookworm AS builder
WORKDIR /build
COPY . .
# Another profile builds faster and runs slower: --build-arg PROFILE=dev
ARG PROFILE=release
RUN cargo build --locked --profile "$PROFILE" && install target/*/pushonce /build/pushonce
# A volume takes over the owner of the directory it is first mounted on, and the
# base image has no shell to make one.
RUN install -d -o 65532 -g 65532 /staging/var/lib/pushonce

# Debian 12 like the builder, for the same C library.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder --chown=65532:65532 /staging/ /
COPY --from=builder /build/pushonce /usr/local/bin/pushonce
COPY config/ /etc/pushonce/
ENV PUSHONCE_LEDGER__URL=sqlite:/var/lib/pushonce/pushonce.db
ENV PUSHONCE_LEDGER__WITNESS=/var/lib/pushonce/pushonce.db.head
VOLUME /var/lib/pushonce
# 5000: the registry API. 9090: health and metrics; see [admin].
EXPOSE 5000 9090
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/pushonce"]
CMD ["serve", "--config", "/etc/pushonce/pushonce.toml"]
