#!/bin/bash
# Stand-in for the official PostgreSQL image's entrypoint: makes the data folder
# on the first start (superuser, database, init files, over a Unix socket only),
# then runs the server, as the user postgres where it was started as root.
set -eo pipefail

die() {
    printf 'Error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}

# from_env NAME DEFAULT: sets NAME from itself, from the file in NAME_FILE, or
# to the default.
from_env() {
    local name=$1 file=$1_FILE value=$2
    if [ -n "${!name-}" ] && [ -n "${!file-}" ]; then
        printf 'error: both %s and %s are set (but are exclusive)\n' "$name" "$file" >&2
        exit 1
    fi
    if [ -n "${!name-}" ]; then
        value=${!name}
    elif [ -n "${!file-}" ]; then
        value=$(<"${!file}")
    fi
    export "$name=$value"
    unset "$file"
}

# Only asks the server something, so nothing is prepared.
only_asks() {
    local arg
    for arg; do
        case "$arg" in
            -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

# refuse_old_data: ends this where there is data where images before 18 had it, or a volume there, which this
# image would silently not use.
refuse_old_data() {
    local found="" dir
    for dir in /var/lib/postgresql /var/lib/postgresql/data; do
        if [ -s "$dir/PG_VERSION" ] && [ "$dir" != "$PGDATA" ]; then
            found=$dir
        fi
    done
    case "$PGDATA/" in
        /var/lib/postgresql/data/*) ;;
        *) if awk '$5 == "/var/lib/postgresql/data" { f = 1 } END { exit !f }' /proc/self/mountinfo; then
            found="/var/lib/postgresql/data (unused mount/volume)"
        fi ;;
    esac
    [ -z "$found" ] || die "in 18+, the data is kept in a folder of its major version below /var/lib/postgresql." \
        "There appears to be PostgreSQL data in: $found" \
        "Mount the volume at /var/lib/postgresql."
}

check_password() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        die 'Database is uninitialized and superuser password is not specified.' \
            'You must specify POSTGRES_PASSWORD to a non-empty value for the' \
            'superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".' '' \
            'You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all' \
            'connections without a password. This is *not* recommended.'
    fi
    if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
        echo 'WARNING: POSTGRES_HOST_AUTH_METHOD has been set to "trust": anyone who reaches the port gets in, without a password.' >&2
    fi
}

make_cluster() {
    # The options may be quoted in the variable, as with the official image.
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"' "$@"'
}

allow_hosts() {
    local method=$POSTGRES_HOST_AUTH_METHOD
    [ -n "$method" ] || method=$(postgres -C password_encryption "$@")
    {
        printf '\n'
        if [ "$method" = trust ]; then
            printf '# warning: trust is enabled for all connections\n'
        fi
        printf 'host all all all %s\n' "$method"
    } >>"$PGDATA/pg_hba.conf"
}

# sql PSQL-ARGS...: on the temporary server.
sql() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "$@"
}

docker_process_sql() { sql --dbname "$POSTGRES_DB" "$@"; }

init_files() {
    local file
    printf '\n'
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh)
                if [ -x "$file" ]; then
                    printf '%s: running %s\n' "$0" "$file"
                    "$file"
                else
                    printf '%s: sourcing %s\n' "$0" "$file"
                    . "$file"
                fi
                ;;
            *.sql)
                printf '%s: running %s\n' "$0" "$file"
                docker_process_sql -f "$file"
                ;;
            *.sql.gz)
                printf '%s: running %s\n' "$0" "$file"
                gunzip -c "$file" | docker_process_sql
                ;;
            '/docker-entrypoint-initdb.d/*') ;;
            *) printf '%s: ignoring %s\n' "$0" "$file" ;;
        esac
        printf '\n'
    done
}

first_start() {
    local arg args=""
    check_password
    # A file that can't be listed should end this before the data folder is made.
    ls /docker-entrypoint-initdb.d/ >/dev/null
    make_cluster
    shift # "postgres"
    allow_hosts "$@"
    export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
    for arg in "$@" -c listen_addresses= -p "${PGPORT:-5432}"; do
        args+=$(printf ' %q' "$arg")
    done
    pg_ctl -D "$PGDATA" -o "$args" -w start
    if [ "$POSTGRES_DB" != postgres ] &&
        [ -z "$(printf '%s\n' "SELECT 1 FROM pg_database WHERE datname = :'db';" | sql --dbname postgres --set db="$POSTGRES_DB" -tA)" ]; then
        printf '%s\n' 'CREATE DATABASE :"db";' | sql --dbname postgres --set db="$POSTGRES_DB"
        printf '\n'
    fi
    init_files
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [ "${1:0:1}" = - ]; then
    set -- postgres "$@"
fi

if [ "${1-}" = postgres ] && ! only_asks "$@"; then
    run=/var/run/postgresql
    mkdir -p "$PGDATA" "$run" 2>/dev/null || true
    chmod 00700 "$PGDATA" 2>/dev/null || true
    chmod 03775 "$run" 2>/dev/null || true
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" ! -user postgres -exec chown postgres {} +
        find "$run" ! -user postgres -exec chown postgres {} +
        exec setpriv --reuid=postgres --regid=postgres --init-groups -- env HOME=/var/lib/postgresql "$0" "$@"
    fi

    from_env POSTGRES_PASSWORD ''
    from_env POSTGRES_USER postgres
    from_env POSTGRES_DB "$POSTGRES_USER"
    from_env POSTGRES_INITDB_ARGS ''
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    if [ -s "$PGDATA/PG_VERSION" ]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        refuse_old_data
        first_start "$@"
    fi
fi

exec "$@"
