#!/usr/bin/env bash
# Rebuilds saliency_student_v3: four rounds, each beginning with the weights of the one before, the
# second and third learning from labels that the student before them gave.
#
#   PYTHON=.venv/bin/python train/student_v3.sh DATA PUBLISHED RUNS OUT
#
# DATA       folder with the sets that the card names, and davis_dev to measure on
# PUBLISHED  folder with the published saliency_student_v2.onnx, the first teacher
# RUNS       where labels and checkpoints go; a run that was cut off goes on from there
# OUT        registry folder that the model is written to
set -euo pipefail
data=$1 published=$2 runs=$3 out=$4
. "$(dirname "$0")/steps.sh"
teacher=$published/saliency_student_v2.onnx
# Two processes of one thread: the shares of a batch are part of what decides the bytes.
export OMP_NUM_THREADS=1
fit() {
  "$python" -m torch.distributed.run --standalone --nproc-per-node 2 -m train fit --arch v3 \
    --crop 192 --short-side 192,256 --rescale 128,160,192,224 --stretch 0.3 --photometric 0.7 \
    --degrade 0.5 --object-size 0.1,0.9 --log-size --optimizer adamw --weight-decay 0.02 \
    --warmup 200 --ema 0.998 --soft-iou 0.6 --keep-out 10 --eval-side 224 --threads 1 "$@"
}
begun() { echo "$runs/student-v3-$1/checkpoint.pt"; }
student() { echo "$runs/student-v3-$1/saliency_student_v3.onnx"; }
few=(--data "$data/pets=0.25" --data "$data/fashion=1.5" --data "$data/horses=2")
more=(--data "$data/pets=0.25" --data "$data/fashion=2.5" --data "$data/horses=4")

# Where people looked and the teacher saw nothing, the first two rounds leave the label open.
label "$runs/pseudo-v3" "$teacher" --gaze-doubt 0.2,0.5
soft=() && labelled "$runs/pseudo-v3" 1
resumed "$runs/student-v3-1" fit "${few[@]}" "${soft[@]}" --epochs 7 --lr 2e-3 --composites 4000 \
  --by-set --seed 42

label "$runs/pseudo-v3-own" "$(student 1)" --gaze-doubt 0.2,0.5 --threads 1
soft=() && labelled "$runs/pseudo-v3" 0.5 && labelled "$runs/pseudo-v3-own" 0.5
resumed "$runs/student-v3-2" fit "${few[@]}" "${soft[@]}" --epochs 6 --lr 2e-3 --composites 4000 \
  --by-set --seed 43 --init "$(begun 1)"

# From here on what the teachers deny is background, and objects are cut from hard labels alone.
label "$runs/pseudo" "$teacher"
label "$runs/pseudo-v3-round2" "$(student 2)" --threads 1
soft=() && labelled "$runs/pseudo" 0.6 && labelled "$runs/pseudo-v3-round2" 0.4
resumed "$runs/student-v3-3" fit "${more[@]}" "${soft[@]}" --epochs 14 --lr 1.5e-3 --batch 16 \
  --composites 3500 --seed 42 --init "$(begun 2)"

# At last each picture beside its coded self.
resumed "$runs/student-v3" fit "${more[@]}" "${soft[@]}" --epochs 6 --lr 6e-4 --batch 16 \
  --composites 2500 --seed 44 --consistency 1 --init "$(begun 3)"

measure "$runs/student-v3" v3 "$teacher"
ship "$runs/student-v3" "$out" --default
"$python" -m train validate "$out" --data "$data/davis_dev"
