#!/bin/sh
# Starts the image as a stranger would, with throw-away certificates, and asks: does it become healthy, does the page answer, does
# its data belong to nobody else, does it stop in order and come back?
#
#   images/hub/try.sh TAG BAREFOOTCTL
#
# Needs podman and crun, and root. On the host's own network and without control groups, so that it also works where a container's
# own cannot be made.
set -eu
if [ -d /sys/fs/cgroup/unified ] && [ -z "${BAREFOOT_TRY_WITHIN:-}" ]; then
    # crun refuses a machine with both kinds of control groups, also where it shall use none: here it sees neither.
    BAREFOOT_TRY_WITHIN=1 exec unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$0" "$@"' "$0" "$@"
fi
tag=$1
ctl=$2
name=barefoot-hub-try-$$
folder=$(mktemp -d)
cleanup() {
    podman rm --force "$name" > /dev/null 2>&1 || true
    podman volume rm "$name" > /dev/null 2>&1 || true
    rm -rf "$folder"
}
trap cleanup EXIT

"$ctl" pki init "$folder/pki" --name "Throw-away region" > /dev/null
"$ctl" pki hub "$folder/pki" --host localhost --days 2 > /dev/null
cat > "$folder/hub.toml" << SETTINGS
[storage]
directory = "/var/lib/barefoot-hub"
[mqtt]
endpoint = "embedded"
listen = "127.0.0.1:0"
[tls]
authority = "/etc/barefoot-hub/authority.crt"
certificate = "/etc/barefoot-hub/hub.crt"
key = "/etc/barefoot-hub/hub.key"
[page]
listen = "127.0.0.1:18090"
language = "en"
SETTINGS
cp "$folder/pki/authority.crt" "$folder/pki/hub.crt" "$folder/pki/hub.key" "$folder/"
chmod 0755 "$folder"
chmod 0644 "$folder"/*.*

# Less than any machine under test may be bound to itself.
limits="--ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024"

run() {
    # $limits are several words.
    # shellcheck disable=SC2086
    podman run --detach --name "$name" --runtime crun --network=host --cgroups=disabled $limits --no-healthcheck \
        --read-only --cap-drop=all \
        --security-opt=no-new-privileges --volume "$name:/var/lib/barefoot-hub" \
        --volume "$folder:/etc/barefoot-hub:ro" "$tag" > /dev/null
    tries=60
    until podman exec "$name" /usr/bin/barefoot-hub --config /etc/barefoot-hub/hub.toml health 2> /dev/null; do
        tries=$((tries - 1))
        if [ $tries = 0 ] || [ "$(podman inspect --format '{{.State.Running}}' "$name")" != true ]; then
            podman logs "$name"
            exit 1
        fi
        sleep 1
    done
    curl --silent --fail --output /dev/null http://127.0.0.1:18090/
}

run
test "$(podman inspect --format '{{.Config.User}}' "$name")" = 10001:10001
data=$(podman volume inspect --format '{{.Mountpoint}}' "$name")
test "$(stat --format %u:%a "$data")" = 10001:700
podman exec "$name" /usr/bin/barefoot-hub --config /etc/barefoot-hub/hub.toml backup /tmp/backup
podman stop --time 30 "$name" > /dev/null
test "$(podman inspect --format '{{.State.ExitCode}}' "$name")" = 0
podman rm "$name" > /dev/null
# Its data outlive the container.
run
echo "The image starts as nobody in particular, answers, stops in order and finds its data again."
