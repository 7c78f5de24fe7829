# Sourced by the scripts that need a virtual environment of their own.
# make_environment DIR: creates DIR where it is missing. Uses $PYTHON if set, else the first Python >= 3.11 found.

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "Python 3.11 or newer is needed; set PYTHON to one" >&2
    return 1
}

make_environment() {
    local python
    if [ -x "$1/bin/python" ] && "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        return 0
    fi
    python=$(find_python) || return 1
    if ! "$python" -m venv --clear "$1"; then
        echo "could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2
        return 1
    fi
}
