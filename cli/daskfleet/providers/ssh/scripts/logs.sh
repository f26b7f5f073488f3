# The last lines of a node's log, and with `follow` what is added. Arguments: its folder below ~/.daskfleet, its name,
# how many lines, `follow` or nothing. Following ends when standard input does, which is when whoever asked has gone.
set -u
log=$HOME/.daskfleet/$1/logs/$2.log
if [ "$4" = follow ]; then
  tail -n "$3" -F "$log" 2>/dev/null &
  cat >/dev/null
  kill "$!"
  exit 0
fi
tail -n "$3" "$log" 2>/dev/null
exit 0
