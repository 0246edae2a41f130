#!/bin/bash
# Puts together what the tasks have made, also if some have failed. Written by:
#     anytime slurm small.yaml --tasks 20 --at-once 5 --least-minutes 0 --time 2:00:00 --partition cpu --memory 4G --gres gpu:1 --sbatch qos=low --program /opt/anytime
#SBATCH --job-name=small-merge
#SBATCH --time=2:00:00
#SBATCH --mem=4G
#SBATCH --partition=cpu
#SBATCH --qos=low
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=/home/me/small.slurm/logs/merge-%j.log

program=/opt/anytime
experiment=/home/me/small.yaml
name=small
results=/home/me/small.sqlite
folder=/home/me/small.slurm
tasks=20

fail() {
  echo "anytime: $1" >&2
  exit 1
}

# On the node's own disk first: databases on shared file systems break.
local_disk=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
scratch=$(mktemp -d "$local_disk/anytime.XXXXXX") || fail "nothing can be written to $local_disk"
trap 'rm -rf "$scratch"' EXIT
stores=()
for file in "$results" "$folder"/tasks/*/runs.sqlite; do [ ! -e "$file" ] || stores+=("$file"); done
[ ${#stores[@]} -gt 0 ] || fail "no task has stored anything; see $folder/logs"
"$program" store merge "${stores[@]}" --several -o "$scratch/all.sqlite" || exit
[ ! -s "$results-wal" ] ||
  fail "a program has $results open, or did not close it; end it, then run: sbatch $folder/merge.sh"
partial="$results.$SLURM_JOB_ID.partial"
cp "$scratch/all.sqlite" "$partial" && sync "$partial" && rm -f "$results-wal" "$results-shm" &&
  mv -f "$partial" "$results" || fail "$results cannot be written"
"$program" store check "$experiment" --store "$results"
status=$?
"$program" report "$results" --experiment "$name" -o "${results%.sqlite}-report.html" || exit
exit "$status"
