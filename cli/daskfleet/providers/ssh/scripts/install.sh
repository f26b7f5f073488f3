# Unpack what a node is made of, which comes as standard input. Argument: the node's folder below ~/.daskfleet.
# Prints which nodes have their folders beside it: those of other hosts are there if the home directory is shared.
set -eu
umask 077
root=$HOME/.daskfleet/$1
mkdir -p "$root/logs"
cd "$root"
tar -xzf -
cd ..
ls -1
