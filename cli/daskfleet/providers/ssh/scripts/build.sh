# Build the nodes' environment from what comes as standard input, unless it is there. Arguments: its folder below
# ~/.daskfleet; the uv to use, empty for the one that comes; the version of Python; `wheels` to take nothing but those that
# come; what the environment is known by.
set -eu
umask 077
root=$HOME/.daskfleet/$1 uv=$2 python=$3 wheels=$4 identity=$5
if [ "$(cat "$root/ready" 2>/dev/null)" = "$identity" ]; then
  cat >/dev/null
  exit 0
fi
rm -rf "$root"
mkdir -p "$root/build"
cd "$root/build"
tar -xf -
[ -n "$uv" ] || uv=$root/build/uv
# Nothing of it is to be anywhere else.
export UV_CACHE_DIR="$root/build/cache" UV_PYTHON_INSTALL_DIR="$root/python" UV_LINK_MODE=copy UV_NO_PROGRESS=1
# Who sends wheels has no index there, nor anything else to download a Python from.
[ "$wheels" = wheels ] && export UV_PYTHON_DOWNLOADS=never
"$uv" venv --quiet --python "$python" "$root/venv"
set -- pip sync --quiet --require-hashes --python "$root/venv/bin/python"
[ "$wheels" = wheels ] && set -- "$@" --no-index --find-links wheels
"$uv" "$@" requirements.txt
cd "$root"
rm -rf build
echo "$identity" >ready
