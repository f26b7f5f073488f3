# Start the supervisor of one node and become it. Argument: the node's folder. It is what a systemd unit runs at boot, so
# whatever a boot empties is made here.
set -eu
DASKFLEET_UMASK=$(umask)
umask 077
cd "$1"
. ./settings.sh
DASKFLEET_FLEET_DIR=$1
mkdir -p "$runtime" 2>/dev/null || { echo "$runtime cannot be made: is the folder to spill to there, and writable?" >&2 && exit 1; }
if [ ! -O "$runtime" ] || [ -L "$runtime" ]; then
  echo "$runtime belongs to somebody else" >&2
  exit 1
fi
mkdir -p "$runtime/scratch"
export DASK_TEMPORARY_DIRECTORY="$runtime/scratch"
DASKFLEET_SOCKET=$runtime/supervisor.sock
DASKFLEET_NODE_COMMAND=$node_command
PATH=$(dirname "$python"):$PATH
export DASKFLEET_FLEET_DIR DASKFLEET_SOCKET DASKFLEET_NODE_COMMAND DASKFLEET_UMASK PATH
# Where nobody has configured Dask, it would write an example into the home directory.
[ -d "$HOME/.config/dask" ] || export DASK_CONFIG="$PWD/dask"
set -- "$python" runtime supervise -c supervisord.conf
if [ "$nice" != 0 ]; then
  command -v ionice >/dev/null 2>&1 && set -- ionice -c 3 "$@"
  set -- nice -n "$nice" "$@"
fi
exec "$@"
