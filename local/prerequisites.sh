#!/bin/sh
# What `make setup` needs and cannot install, each reported in one sentence: prerequisites.sh PYTHON
python=$1
fail() {
    echo "make: $1" >&2
    exit 1
}
command -v "$python" >/dev/null 2>&1 ||
    fail "Python 3.13 is needed: there is no $python on PATH; install it, or say make PYTHON=/path/to/python3.13"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2>/dev/null ||
    fail "Python 3.13 is needed: $python is $("$python" --version 2>&1 | tail -n 1); say make PYTHON=/path/to/python3.13"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is needed: $python has none; on Debian and Ubuntu install the package python3.13-venv"
command -v node >/dev/null 2>&1 || fail "Node.js 20 or newer is needed, for Azurite: there is no node on PATH"
version=$(node --version 2>/dev/null)
major=${version#v}
[ "${major%%.*}" -ge 20 ] 2>/dev/null ||
    fail "Node.js 20 or newer is needed, for Azurite: node is ${version:-none that reports its version}"
command -v npm >/dev/null 2>&1 || fail "npm is needed, which comes with Node.js: there is no npm on PATH"
