#!/bin/bash
# Each of 20 tasks makes its share of the runs of /home/me/small.yaml. Written by:
#     anytime slurm small.yaml --tasks 20 --at-once 5 --least-minutes 0 --time 2:00:00 --partition cpu --memory 4G --gres gpu:1 --sbatch qos=low --program /opt/anytime
#SBATCH --job-name=small
#SBATCH --array=1-20%5
#SBATCH --cpus-per-task=1
#SBATCH --time=2:00:00
#SBATCH --mem=4G
#SBATCH --partition=cpu
#SBATCH --qos=low
#SBATCH --gres=gpu:1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@60
#SBATCH --output=/home/me/small.slurm/logs/%A_%a.log

program=/opt/anytime
experiment=/home/me/small.yaml
name=small
results=/home/me/small.sqlite
folder=/home/me/small.slurm
tasks=20
task=$SLURM_ARRAY_TASK_ID
shared="$folder/tasks/$task-of-$tasks"

fail() {
  echo "anytime: task $task: $1" >&2
  exit "${2:-1}"
}

# A signal is handed on to the program, which ends within a second. Then what it has made is copied back.
signal="" child=""
receive() {
  signal=$1
  [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null
}
for word in HUP INT TERM USR1 USR2; do trap "receive $word" "$word"; done

# The program works on the node's own disk: databases on shared file systems break, and so may files to which
# lines are appended. Files of the shared one are only ever replaced as a whole.
local_disk=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}
scratch=$(mktemp -d "$local_disk/anytime.XXXXXX") || fail "nothing can be written to $local_disk"
trap 'kill "$child" 2>/dev/null; rm -rf "$scratch"' EXIT
work="$scratch/runs"

# Slurm may believe that a node is dead which is not: only the task's latest start may copy anything back.
mark="$folder/tasks/$task-of-$tasks"
owner="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID ${SLURM_RESTART_COUNT:-0} $SLURMD_NODENAME"
mkdir -p "$shared" && echo "$owner" >"$mark.begun" || fail "nothing can be written to $folder"
find "$shared" -name '*.partial' -delete
cp -R "$shared" "$work" || fail "what is done cannot be copied to $local_disk"
cmp -s "$experiment" "$folder/experiment.yaml" ||
  fail "$experiment is not as it was when this script was written; write it again with 'anytime slurm'"
# Runs that were made elsewhere need not be made here.
store="$work/runs.sqlite"
if [ ! -e "$store" ] && [ -e "$results" ]; then
  "$program" store merge "$results" --several -o "$store" >/dev/null || fail "$results cannot be used"
fi

is_latest() {
  local latest
  latest=$(cat "$mark.begun") || return 1
  [ "$latest" = "$owner" ] || fail "it has been started again ($latest); this start ends"
}
# put FILE NAME: copies a file back unless it is there already: beside its destination, then renamed.
progress=""
put() {
  local target="$shared/$2"
  [ -e "$1" ] || return 0
  cmp -s "$1" "$target" && return
  is_latest && mkdir -p "${target%/*}" && cp "$1" "$target.partial" && sync "$target.partial" &&
    mv -f "$target.partial" "$target" || return 1
  progress=yes
}

# Runs: soon after they have ended. While the program writes its store, a merged one is a sound copy of it. It is
# equal to the last one if the program has only given a sign of life.
# Checkpoints: every five minutes, and at the end.
saved=$(stat --format='%y %s' "$store" "$store-wal" 2>/dev/null)
due=$((SECONDS + 300))
save() {
  local state file known
  state=$(stat --format='%y %s' "$store" "$store-wal" 2>/dev/null)
  if [ "$state" != "$saved" ]; then
    snapshot || return 1
    saved=$state
  fi
  [ -n "${1-}" ] || [ "$SECONDS" -ge "$due" ] || return 0
  due=$((SECONDS + 300))
  for file in "$store.checkpoints"/*; do put "$file" "runs.sqlite.checkpoints/${file##*/}" || return 1; done
  # Those of runs that have ended go when the runs have come.
  is_latest || return 1
  for known in "$shared/runs.sqlite.checkpoints"/*; do
    [ -e "$store.checkpoints/${known##*/}" ] || rm -f "$known"
  done
}
snapshot() {
  local copy complaint status
  # Where the node's disk is full, its memory will do.
  for copy in "$scratch/snapshot.sqlite" "/dev/shm/anytime-$SLURM_JOB_ID.sqlite"; do
    complaint=$("$program" store merge "$store" --several -o "$copy" 2>&1 >/dev/null) && put "$copy" runs.sqlite
    status=$?
    rm -f "$copy"*
    [ "$status" != 0 ] || return 0
  done
  [ -z "$complaint" ] || echo "$complaint" >&2
  return 1
}

"$program" run "$experiment" --shard "$task/$tasks" --store "$store" \
  --threads "${SLURM_CPUS_PER_TASK:-1}" &
child=$!
[ -z "$signal" ] || receive "$signal"
# Waits for the program. Copying takes a tenth of the time at most.
next=$((SECONDS + 10))
while kill -0 "$child" 2>/dev/null; do
  sleep 1 &
  wait $!
  if [ "$SECONDS" -ge "$next" ]; then
    began=$SECONDS
    save || echo "anytime: task $task: what is new cannot be copied to $shared yet" >&2
    next=$((SECONDS + 10 + 10 * (SECONDS - began)))
  fi
done
wait "$child"
status=$?
child=""

if ! save all; then
  trap - EXIT
  fail "what it has made cannot be copied to $shared; it is on $SLURMD_NODENAME, in $work"
fi
if [ "$status" = 0 ]; then
  echo "$owner" >"$mark.done"
  exit
fi

# USR1 comes when the task's time is about to end; some clusters send it, or USR2, when others need the node: the
# task goes on later, here or elsewhere. TERM comes when Slurm has begun to end the task: because others need the
# node or the time is over, and it goes on later too; or because somebody has cancelled it.
case $signal in
  USR1 | USR2) ;;
  TERM)
    case $(scontrol show job "$SLURM_JOB_ID") in
      *PreemptTime=[0-9]* | *JobState=TIMEOUT* | *Reason=TimeLimit*) ;;
      *) exit "$status" ;;
    esac
    ;;
  *) exit "$status" ;;
esac
[ -n "$progress" ] || [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ] ||
  fail "four starts, and the last finished no run and kept no epoch; give it more time with --time"
echo "anytime: task $task: stopped by $signal; it goes on in its next start" >&2
rm -rf "$scratch"
scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
exit "$status"
