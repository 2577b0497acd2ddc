# shellcheck shell=bash disable=SC2034,SC2016
# Shared by engine, build and compose: messages, the cache folder, and apt run
# beside the machine's own apt (its mirror and proxy, but lists, state and
# downloads of our own, so that nothing of the machine's is touched).
# Sourced, not run.

# The Debian release that the stand-ins are made of.
SUITE=bookworm

CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/aspire-host-tests

LABEL=${0##*/}

say() { printf '%s\n' "$LABEL: $*" >&2; }

# fail MESSAGE...: an error of the work itself.
fail() { say "$*"; exit 1; }

# advise WHAT ADVICE: not allowed or not able to do it here; exit 3.
advise() { say "$1"; say "$2"; exit 3; }

is_root() { [ "$(id -u)" = 0 ]; }

# lock NAME: one at a time, for as long as this script runs. Background
# programs that outlive the script are started with 9>&-.
lock() {
    mkdir -p "$CACHE"
    exec 9>"$CACHE/$1.lock"
    if ! flock -n 9; then
        say "another one is at work; waiting for it"
        flock 9
    fi
}

# debian_mirror: the address of a Debian archive from the machine's own apt
# sources. It is taken from the entry of the machine's own release.
debian_mirror() {
    command -v apt-get >/dev/null || return 1
    local codename
    codename=$(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}") || return 1
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v c="$codename" '$2 == c && $3 == "main" && $1 ~ /^(https?|file):/ && !found { found = 1; print $1 } END { exit !found }'
}

# apt_beside DIR SUITE: prepares DIR for apt_in and fetches the package lists
# of SUITE. What the machine's apt says about fetching (proxy, certificates,
# date checks) stays in force.
apt_beside() {
    local dir=$1 suite=$2 mirror signed=
    mirror=$(debian_mirror) || return 1
    mkdir -p "$dir/none" "$dir/lists/partial" "$dir/cache/archives/partial"
    if [ -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
        signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    fi
    printf 'deb %s %s %s main\n' "$signed" "$mirror" "$suite" >"$dir/sources.list"
    : >"$dir/status"
    {
        apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets\|^Acquire::Languages\|^Acquire::Changelogs'
        cat <<CONF
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Dir::Etc::main "$dir/none/apt.conf";
Dir::Etc::parts "$dir/none";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "$dir/none";
Dir::Etc::preferences "$dir/none/preferences";
Dir::Etc::preferencesparts "$dir/none";
Dir::State "$dir/state";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
CONF
    } >"$dir/apt.conf"
    mkdir -p "$dir/state"
    apt_in "$dir" apt-get -q update
}

# apt_in DIR COMMAND...: an apt command on the lists of DIR.
apt_in() {
    local dir=$1
    shift
    APT_CONFIG="$dir/apt.conf" "$@"
}

# closure APTDIR STATUS PACKAGE...: the names of the packages that an install
# on top of the dpkg status file STATUS would add.
closure() {
    local dir=$1 status=$2
    shift 2
    apt_in "$dir" apt-get -o "Dir::State::status=$status" -s install "$@" | awk '/^Inst /{ print $2 }'
}

# unpack APTDIR INTO PACKAGE...: downloads packages and unpacks them into the
# folder INTO, without running their scripts.
unpack() {
    local dir=$1 into=$2 debs deb
    shift 2
    debs=$(mktemp -d "$dir/debs.XXXXXX")
    (cd "$debs" && apt_in "$dir" apt-get -q download "$@")
    for deb in "$debs"/*.deb; do
        # Through tar: dpkg-deb -x would replace the links of a merged /usr by folders.
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --numeric-owner -C "$into"
    done
    rm -r "$debs"
}
