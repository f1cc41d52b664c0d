#!/usr/bin/env bash
# Rebuilds saliency_student_v1 and v2: pseudo-labels, training, scores, export.
#
#   PYTHON=.venv/bin/python train/students.sh DATA PUBLISHED RUNS OUT
#
# DATA       folder with the sets that the cards name, and davis_dev to measure on
# PUBLISHED  folder with the published saliency_student_v1.onnx and _v2.onnx; the latter teaches
# RUNS       where checkpoints go; a run that was cut off goes on from there
# OUT        registry folder that the models are written to
set -euo pipefail
data=$1 published=$2 runs=$3 out=$4
python=${PYTHON:-python}
soft=()
for set in osie crowd scene; do
  [ -e "$runs/pseudo/gaze_$set/labels.json" ] ||
    "$python" -m train pseudo-label --model "$published/saliency_student_v2.onnx" \
      --images "$data/gaze_$set/images" --gaze "$data/gaze_$set/maps" --out "$runs/pseudo/gaze_$set"
  soft+=(--data "$runs/pseudo/gaze_$set=0.65")
done
for arch in v1 v2; do
  run=$runs/student-$arch
  resume=()
  [ ! -e "$run/checkpoint.pt" ] || resume=(--resume)
  "$python" -m train fit --arch $arch --out "$run" \
    --data "$data/pets=0.3" --data "$data/fashion=1.5" --data "$data/horses=2.5" "${soft[@]}" \
    --epochs 14 --lr 2e-3 --crop 160 --short-side 160,288 --stretch 0.2 \
    --photometric 0.7 --degrade 0.5 --composites 2400 \
    --keep-out 10 --eval-side 224 --threads 1 --seed 42 "${resume[@]}"
  measured=(--model "$run/saliency_student_$arch.onnx"
    --model "$published/saliency_student_$arch.onnx" --short-side native,224)
  "$python" -m train evaluate "${measured[@]}" --data "$data/davis_dev" --by-sequence \
    --json "$run/davis.json"
  "$python" -m train evaluate "${measured[@]}" --kept-out --data "$data/fashion" \
    --data "$data/horses" --data "$data/pets" --json "$run/kept_out.json"
done
scores() { echo --scores "$runs/student-$1/davis.json" --scores "$runs/student-$1/kept_out.json"; }
# shellcheck disable=SC2046  # the words of scores are arguments
"$python" -m train export "$runs/student-v1/checkpoint.pt" --out "$out" --status superseded $(scores v1)
# shellcheck disable=SC2046
"$python" -m train export "$runs/student-v2/checkpoint.pt" --out "$out" --default \
  --not-below "$runs/student-v1/checkpoint.pt" $(scores v2)
"$python" -m train validate "$out" --data "$data/davis_dev"
