#!/bin/sh
# Makes the hub's OCI image from nothing but the program, the libraries it names, certificates of public authorities and the
# fonts it prints with: no shell, no package manager. Needs buildah, and Debian's ca-certificates and fonts-noto-cjk.
#
#   images/hub/build.sh PROGRAM TAG       for instance target/release/barefoot-hub localhost/barefoot-hub:0.1.0
#
# What it takes from this machine is as old as this machine: build where updates are installed.
set -eu
program=$1
tag=$2

# Of the image only; outside it names nobody.
uid=10001
root=$(mktemp -d)
owned=$(mktemp -d)
container=
cleanup() {
    [ -z "$container" ] || buildah rm "$container" > /dev/null
    rm -rf "$root" "$owned"
}
trap cleanup EXIT

copy() {
    # By the name it is asked for, whatever it is a link to.
    install -D -m "$1" "$2" "$root$2"
}

install -D -m 0755 "$program" "$root/usr/bin/barefoot-hub"
# The loader and each library, by the paths that the loader says.
for library in $(ldd "$program" | sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*$/\1/p'); do
    copy 0755 "$library"
done
copy 0644 /etc/ssl/certs/ca-certificates.crt
for font in Regular Bold; do
    copy 0644 "/usr/share/fonts/opentype/noto/NotoSansCJK-$font.ttc"
done
for notices in ca-certificates fonts-noto-cjk libc6 libgcc-s1; do
    copy 0644 "/usr/share/doc/$notices/copyright"
done
printf 'barefoot-hub:x:%s:%s:Barefoot hub:/var/lib/barefoot-hub:/nonexistent\n' $uid $uid > "$root/etc/passwd"
printf 'barefoot-hub:x:%s:\n' $uid > "$root/etc/group"
install -d -m 0755 "$root/etc/barefoot-hub"
install -d -m 1777 "$root/tmp"
chmod 0755 "$root"

# OCI's own format knows no health check.
container=$(buildah from --format docker scratch)
buildah add --chown 0:0 "$container" "$root" / > /dev/null
# Volumes begin with what the image has there: its owner too.
install -d -m 0700 "$owned/barefoot-hub"
buildah add --chown $uid:$uid "$container" "$owned" /var/lib > /dev/null
buildah config \
    --user $uid:$uid \
    --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    --workingdir /var/lib/barefoot-hub \
    --entrypoint '["/usr/bin/barefoot-hub", "--config", "/etc/barefoot-hub/hub.toml"]' \
    --cmd '' \
    --stop-signal SIGTERM \
    --volume /var/lib/barefoot-hub \
    --port 8090 --port 8443 --port 8444 --port 8445 --port 8883 \
    --healthcheck 'CMD ["/usr/bin/barefoot-hub", "--config", "/etc/barefoot-hub/hub.toml", "health"]' \
    --healthcheck-interval 30s --healthcheck-timeout 20s --healthcheck-start-period 60s --healthcheck-retries 3 \
    --label org.opencontainers.image.title=barefoot-hub \
    --label "org.opencontainers.image.version=$("$program" --version | head -n 1 | cut -d ' ' -f 2)" \
    "$container"
buildah commit --quiet --format docker "$container" "$tag"
buildah images --format 'Made {{.Name}}:{{.Tag}}, {{.Size}}.' "$tag"
