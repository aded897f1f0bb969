#!/bin/sh
# Every check there is; goes on after a failure, and ends with a summary and status 1 if anything failed.
set -u
PATH=$PWD/.venv/bin:$PATH
export OMP_NUM_THREADS=1 # several processes share the cores
summary=
status=0

check() { # NAME COMMAND...
    name=$1
    shift
    echo
    echo "== $name: $*"
    began=$(date +%s)
    if "$@"; then result=ok; else result=FAILED status=1; fi
    summary="$summary$(printf '%-12s %-6s %4d s' "$name" $result $(($(date +%s) - began)))
"
}

check format ruff format --check .
check lint ruff check .
check types pyright
check layers lint-imports
check tests pytest -q -n 2 -m "not slow"
check learning pytest -q -n 2 -m slow
echo
printf '%s' "$summary"
exit $status
