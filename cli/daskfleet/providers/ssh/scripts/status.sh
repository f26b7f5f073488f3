# What has become of a node. Arguments: its folder below ~/.daskfleet, its name, how many lines of its log.
set -u
root=$HOME/.daskfleet/$1 node=$2 lines=$3
[ -d "$root" ] || exit 0
echo there
pid=$(cat "$root/supervisord.pid" 2>/dev/null) &&
  grep -qzxF "DASKFLEET_FLEET_DIR=$root" "/proc/$pid/environ" 2>/dev/null && echo "supervisor $pid"
for file in $(grep -lzxF "DASKFLEET_FLEET_DIR=$root" /proc/[0-9]*/environ 2>/dev/null); do
  folder=${file%/environ}
  grep -qzxF "nodes/$node.json" "$folder/cmdline" 2>/dev/null && echo "node ${folder#/proc/}"
done
echo ::marks
cat "$root/nodes/$node.marks.jsonl" 2>/dev/null
echo ::log
tail -n "$lines" "$root/logs/supervisord.out" "$root/logs/$node.log" 2>/dev/null | grep -v '^==> \|^$'
exit 0
