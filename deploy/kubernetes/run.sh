#!/bin/bash
# Prints the objects for one run of a queue: workers that take the cases of this run alone, and KEDA's ScaledObject,
# which starts them while its cases wait. VOXSTREAM_QUEUE and REDIS_PASSWORD name the queue, as for voxstream status.
#
#   deploy/kubernetes/run.sh ct-2026 | kubectl apply -f -
#   deploy/kubernetes/run.sh ct-2026 | kubectl delete -f -     # before the run is removed from the queue
#
# scaledobject.yaml has the TriggerAuthentication that they share; KEDA allows one ScaledObject for a Deployment.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: run.sh RUN" >&2
  exit 1
fi
here=$(dirname "$0")
list=$(voxstream status "$1" --json | node -p 'JSON.parse(require("fs").readFileSync(0)).runs[0].waitingList')
# Names of Kubernetes are lower case, without dots and underscores.
name=voxstream-run-$(tr 'A-Z_.' 'a-z--' <<< "$1" | cut -c1-40 | sed 's/-*$//')
sed -E "s/voxstream-workers?/$name/g; s/args: \[work,/args: [work, --run, '$1',/; /^# /d" "$here/workers.yaml"
echo ---
sed -E "/^---/,\$d; s/voxstream-workers/$name/g; s/vox:1:wait/$list/; /^# /d" "$here/scaledobject.yaml"
