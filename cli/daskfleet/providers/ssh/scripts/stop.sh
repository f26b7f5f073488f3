# End a node and remove everything of it; then look. Arguments: its folder below ~/.daskfleet, its folder for what it
# spills, the name of its systemd unit. Safe to repeat, and where there is nothing.
set -u
base=$HOME/.daskfleet
root=$base/$1 runtime=$2 unit=$3
units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user

find_processes() {
  for file in $(grep -lzxF "DASKFLEET_FLEET_DIR=$root" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${file#/proc/}
    echo "${pid%/environ}"
  done
}

if [ -e "$units/$unit" ]; then
  export XDG_RUNTIME_DIR="/run/user/$(id -u)"
  systemctl --user disable --now --quiet "$unit" 2>/dev/null
  rm -f "$units/$unit"
  systemctl --user daemon-reload 2>/dev/null
  for folder in "$units/default.target.wants" "$units" "${units%/*}" "${units%/*/*}"; do
    grep -qxF "$folder" "${root%/*}/.made" 2>/dev/null && rmdir "$folder" 2>/dev/null
  done
fi

# Python's resource tracker ends by itself when those are gone whose semaphores it removes; killed, it would leave them.
kill_processes() {
  for pid in $1; do
    if [ "$2" = all ] || ! grep -q multiprocessing.resource_tracker "/proc/$pid/cmdline" 2>/dev/null; then
      kill -KILL "$pid" 2>/dev/null
    fi
  done
}

rounds=0
found=$(find_processes)
if [ -n "$found" ]; then
  supervisor=$(cat "$root/supervisord.pid" 2>/dev/null)
  # The supervisor ends its node in order; where it is gone, each process is told.
  case " $(echo $found) " in
    *" ${supervisor:-none} "*) kill "$supervisor" 2>/dev/null ;;
    *) kill $found 2>/dev/null ;;
  esac
  while found=$(find_processes) && [ -n "$found" ]; do
    rounds=$((rounds + 1))
    [ "$rounds" -ge 200 ] && kill_processes "$found" others
    [ "$rounds" -ge 250 ] && kill_processes "$found" all
    [ "$rounds" -ge 300 ] && break
    sleep 0.1
  done
fi
if [ -n "$found" ]; then
  echo "these processes do not end: $(echo $found)" >&2
  exit 1
fi
if [ -O "$runtime" ] && [ ! -L "$runtime" ]; then
  rm -rf "$runtime"
fi
rm -rf "$root"
# Of a shared home directory the last host takes the rest away: the environment, which is hidden from `ls`.
if [ -d "${root%/*}" ] && [ -z "$(ls "${root%/*}")" ]; then
  rm -rf "${root%/*}"
fi
rmdir "$base" 2>/dev/null
if [ -e "$root" ] || { [ -O "$runtime" ] && [ ! -L "$runtime" ]; }; then
  echo "not everything of it could be removed: $(ls -d "$root" "$runtime" 2>/dev/null | tr '\n' ' ')" >&2
  exit 1
fi
exit 0
