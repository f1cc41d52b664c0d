#!/usr/bin/env bash
# Rebuilds saliency_student_v1 and v2: pseudo-labels, training in two rounds, scores, export.
#
#   PYTHON=.venv/bin/python train/students.sh DATA PUBLISHED RUNS OUT
#
# DATA       folder with the sets that the cards name, and davis_dev to measure on
# PUBLISHED  folder with the published saliency_student_v1.onnx and _v2.onnx; the latter teaches
# RUNS       where checkpoints go; a run that was cut off goes on from there
# OUT        registry folder that the models are written to
set -euo pipefail
data=$1 published=$2 runs=$3 out=$4
. "$(dirname "$0")/steps.sh"
fit() { "$python" -m train fit --keep-out 10 --eval-side 224 --threads 1 --seed 42 "$@"; }

label "$runs/pseudo" "$published/saliency_student_v2.onnx"
for arch in v1 v2; do
  soft=() && labelled "$runs/pseudo" 0.65
  resumed "$runs/student-$arch-1" fit --arch $arch \
    --data "$data/pets=0.3" --data "$data/fashion=1.5" --data "$data/horses=2.5" "${soft[@]}" \
    --epochs 14 --lr 2e-3 --crop 160 --short-side 160,288 --stretch 0.2 \
    --photometric 0.7 --degrade 0.5 --composites 2400
  # Larger crops, nearer the size at which a student is measured; more people and horses.
  soft=() && labelled "$runs/pseudo" 0.3
  resumed "$runs/student-$arch" fit --arch $arch --init "$runs/student-$arch-1/checkpoint.pt" \
    --data "$data/pets=0.12" --data "$data/fashion=3" --data "$data/horses=5" "${soft[@]}" \
    --epochs 10 --lr 1.5e-3 --crop 192 --short-side 192,256 --stretch 0.2 \
    --photometric 0.7 --degrade 0.4 --composites 1300 --by-set --ema 0.995
  measure "$runs/student-$arch" $arch "$published/saliency_student_$arch.onnx" native,224
done
ship "$runs/student-v1" "$out" --status superseded
ship "$runs/student-v2" "$out" --not-below "$runs/student-v1/checkpoint.pt"
"$python" -m train validate "$out" --data "$data/davis_dev"
