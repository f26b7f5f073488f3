# The last lines of a node's log, and with `follow` what is added. Arguments: its folder below ~/.daskfleet, its name,
# how many lines, `follow` or nothing.
set -u
log=$HOME/.daskfleet/$1/logs/$2.log
if [ "$4" = follow ]; then
  exec tail -n "$3" -F "$log" 2>/dev/null
fi
tail -n "$3" "$log" 2>/dev/null
exit 0
