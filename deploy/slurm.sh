#!/bin/bash
# A run as a Slurm array. Each task runs one shard into a folder, and a last job merges them:
#
#   jobs=$(sbatch --parsable deploy/slurm.sh pipeline.yaml /data/set /results/run)
#   sbatch --dependency=afterany:$jobs --wrap 'voxstream merge /results/run/part-* -o /results/run/all'
#
# Tasks that were killed or preempted are started again by Slurm, and resume.
#SBATCH --job-name=voxstream
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60
#SBATCH --output=voxstream-%A_%a.log
set -euo pipefail

if [ $# -ne 3 ]; then
  echo "usage: sbatch slurm.sh PIPELINE DATASET OUTPUT" >&2
  exit 1
fi
exec voxstream run "$1" --input "$2" -o "$3/part-$SLURM_ARRAY_TASK_ID" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --resume
