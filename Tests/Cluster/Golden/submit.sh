#!/bin/sh
# Submits the tasks, and the job that puts together what they have made. Written by:
#     anytime slurm small.yaml --tasks 20 --at-once 5 --least-minutes 0 --time 2:00:00 --partition cpu --memory 4G --gres gpu:1 --sbatch qos=low --program /opt/anytime
set -eu
array_1=$(sbatch --parsable /home/me/small.slurm/array.sh)
array_1=${array_1%%;*}
merge=$(sbatch --parsable --dependency="afterany:$array_1" /home/me/small.slurm/merge.sh) || {
  echo "anytime: the job that merges is not submitted; the tasks are, in job $array_1" >&2
  exit 1
}
echo "Submitted: tasks in job $array_1, to be merged by job ${merge%%;*}."
