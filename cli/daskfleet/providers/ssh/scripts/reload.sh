# Give a node another document, which comes as standard input, and have it read it. Arguments: its folder below
# ~/.daskfleet, its name.
set -eu
umask 077
root=$HOME/.daskfleet/$1 node=$2
cat >"$root/nodes/.new"
mv "$root/nodes/.new" "$root/nodes/$node.json"
for file in $(grep -lzxF "DASKFLEET_FLEET_DIR=$root" /proc/[0-9]*/environ 2>/dev/null); do
  folder=${file%/environ}
  if grep -qzxF "nodes/$node.json" "$folder/cmdline" 2>/dev/null; then
    kill -HUP "${folder#/proc/}"
  fi
done
