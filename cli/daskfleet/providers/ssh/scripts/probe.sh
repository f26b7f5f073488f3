# What there is on this host, as lines of KEY=VALUE. Nothing is changed.
# Arguments: the Python to ask (may be empty), the folder to spill to, the program to ask it with, the folder that tasks
# would like to start in.
set -u
python=$1 scratch=$2 program=$3 folder=$4

say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
free() { df -Pk "$1" 2>/dev/null | { read -r _ && read -r _ _ _ kib _ && echo "$kib"; }; }

say system "$(uname -s)"
say machine "$(uname -m)"
say host_name "$(uname -n)"
say home "${HOME-}"
say user "$(id -un)"
say uid "$(id -u)"
say time "$(date +%s)"
read -r client _ server _ <<CONNECTION
${SSH_CONNECTION-}
CONNECTION
say server "$server"
say client "$client"
say home_identity "$(stat -c '%i:%z' "${HOME-}" 2>/dev/null)"
say home_free "$(free "${HOME-}")"
say scratch_free "$(free "$scratch")"
[ -w "${HOME-}" ] && say home_writable yes
[ -w "$scratch" ] && say scratch_writable yes
[ -d "$folder" ] && [ -x "$folder" ] && say folder yes
while read -r key kib _; do
  case $key in
    MemTotal:) say memory "$kib" ;;
    MemAvailable:) say memory_free "$kib" ;;
  esac
done 2>/dev/null </proc/meminfo
say cores "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)"
listening=
for table in /proc/net/tcp /proc/net/tcp6; do
  while read -r _ address _ state _; do
    [ "$state" = 0A ] && listening="$listening $((0x${address##*:}))"
  done 2>/dev/null <"$table"
done
say listening "$listening"
missing=
for tool in base64 grep setsid tail tar; do
  has "$tool" || missing="$missing $tool"
done
say missing "$missing"
if has loginctl && has systemctl; then
  say linger "$(loginctl show-user "$(id -un)" --property=Linger --value 2>/dev/null)"
  XDG_RUNTIME_DIR="/run/user/$(id -u)" systemctl --user show --property=Version >/dev/null 2>&1 && say manager yes
fi
say machine_id "$(cat /etc/machine-id 2>/dev/null)"
for folder in "" "${HOME-}/.local/bin/" "${HOME-}/.cargo/bin/"; do
  has "${folder}uv" && say uv "$(command -v "${folder}uv")" && break
done
if [ -n "$python" ]; then
  if [ ! -e "$python" ]; then
    say python_problem missing
  elif [ ! -x "$python" ]; then
    say python_problem forbidden
  else
    # Asked anew where it fails: what it says of its failure is not to be mixed with what it says of itself.
    if said=$(cd / && "$python" -c "$program" 2>/dev/null); then
      say python_facts "$(printf '%s\n' "$said" | tail -n 1)"
    else
      say python_problem "$(cd / && "$python" -c "$program" 2>&1 | tail -n 1)"
    fi
  fi
fi
exit 0
