#!/bin/sh
# Sets up .venv and, where it may, the system libraries that rlhp needs. `setup.sh remind` only says what is still missing,
# `setup.sh browser` adds what the tests in a browser need.
set -eu
PYTHON=${PYTHON:-python3}
GL="libegl1 libgl1"
BROWSER="chromium libatomic1"
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps ldconfig

can_draw() {
    case $(uname -s) in Linux) ;; *) return 0 ;; esac # a Mac brings OpenGL along
    libraries=$(ldconfig -p 2>/dev/null || true)
    for library in libEGL.so.1 libGL.so.1; do
        case $libraries in *"$library "*) ;; *) return 1 ;; esac
    done
}

apt_install() { # PACKAGE...; fails where it may not or cannot
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else return 1; fi
    echo "Installing $* with apt-get ..."
    $sudo apt-get update -qq >/dev/null 2>&1 || true # a package list that is there already may do
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

check_python() {
    command -v "$PYTHON" >/dev/null || { echo "rlhp needs Python 3.11 or newer, and there is no $PYTHON here: sudo apt-get install -y python3 python3-venv" >&2; exit 1; }
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "rlhp needs Python 3.11 or newer; $PYTHON is $("$PYTHON" -V 2>&1). Name a newer one: make PYTHON=python3.12 ..." >&2
        exit 1
    }
}

make_venv() {
    .venv/bin/python -m pip --version >/dev/null 2>&1 && return
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        package=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        apt_install "$package" || { echo "Python's venv module is missing; install it with: sudo apt-get install -y $package" >&2; exit 1; }
    fi
    "$PYTHON" -m venv .venv
}

remind() {
    can_draw || echo "Videos are off: no OpenGL library. Install it with: sudo apt-get install -y --no-install-recommends $GL"
}

browser() { # for the tests in a real browser
    command -v chromium >/dev/null || apt_install $BROWSER || echo "The tests in a browser are skipped. They need: sudo apt-get install -y --no-install-recommends $BROWSER"
}

case ${1:-} in
    remind) remind; exit ;;
    browser) browser; exit ;;
esac
check_python
make_venv
echo "Installing the pinned dependencies into .venv ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
can_draw || apt_install $GL || true # GL is two words
remind
touch .venv/.ready
