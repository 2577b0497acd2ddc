#!/bin/bash
# Stand-in for the official Redis image's entrypoint: runs redis-server, as the
# user redis where it was started as root.
set -e

# Options alone, or a configuration file: they are for redis-server.
case "${1-}" in
    '' | -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    # The current folder is the data folder.
    find . ! -user redis -exec chown redis:redis {} + 2>/dev/null || true
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
fi

if [ "$(umask)" = 0022 ]; then
    umask 0077
fi
exec "$@"
