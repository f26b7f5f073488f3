# Start a node that is unpacked, unless it runs. Arguments: its folder below ~/.daskfleet; the name of its systemd unit,
# empty where systemd is not to look after it; a line that tells what it is; this machine's identity.
set -eu
mask=$(umask)
umask 077
root=$HOME/.daskfleet/$1 unit=$2 description=$3 machine=$4

find_supervisor() {
  [ -s "$root/supervisord.pid" ] && pid=$(cat "$root/supervisord.pid") &&
    grep -qzxF "DASKFLEET_FLEET_DIR=$root" "/proc/$pid/environ" 2>/dev/null
}

find_supervisor && exit 0
rm -f "$root/supervisord.pid" "$root"/nodes/*.marks.jsonl
: >"$root/logs/supervisord.out"
if [ -n "$unit" ]; then
  export XDG_RUNTIME_DIR="/run/user/$(id -u)"
  units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
  path=$(printf %s "$root" | sed 's/%/%%/g; s/\\/\\\\/g; s/"/\\"/g')
  # What is made for it is noted where the nodes of this home share it, so that no more than that is removed.
  for folder in "${units%/*/*}" "${units%/*}" "$units" "$units/default.target.wants"; do
    [ -d "$folder" ] || echo "$folder" >>"${root%/*}/.made"
  done
  mkdir -p "$units"
  cat >"$units/$unit" <<UNIT
[Unit]
Description=$description
ConditionHost=$machine
[Service]
ExecStart=/bin/sh "$path/run.sh" "$path"
StandardOutput=append:$path/logs/supervisord.out
StandardError=inherit
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStopSec=90
[Install]
WantedBy=default.target
UNIT
  systemctl --user daemon-reload
  systemctl --user enable --quiet "$unit"
  systemctl --user restart "$unit"
else
  (
    umask "$mask" # What tasks write has the modes that their person is used to.
    exec setsid sh "$root/run.sh" "$root"
  ) </dev/null >>"$root/logs/supervisord.out" 2>&1 &
fi
rounds=0
until find_supervisor; do
  rounds=$((rounds + 1))
  if [ "$rounds" -gt 400 ]; then
    echo "its supervisor did not start: $(tail -n 1 "$root/logs/supervisord.out" 2>/dev/null)" >&2
    exit 1
  fi
  sleep 0.05
done
