#!/usr/bin/env bash
# Rebuilds saliency_student_v3: eleven rounds, each beginning with the weights of the one before, on
# labels that the published student, then students, then two teachers of our own gave.
#
#   PYTHON=.venv/bin/python train/student_v3.sh DATA PUBLISHED RUNS OUT
#
# DATA       folder with the sets that the card names, and davis_dev to measure on; the cut-outs
#            (docs/training.md) are expected in DATA/stamps, or where STAMPS says
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
  "$python" -m torch.distributed.run --standalone --nproc-per-node 2 -m train fit \
    --crop 192 --short-side 192,256 --rescale 128,160,192,224 --stretch 0.3 --photometric 0.7 \
    --degrade 0.5 --object-size 0.1,0.9 --log-size --optimizer adamw --weight-decay 0.02 \
    --warmup 200 --ema 0.998 --soft-iou 0.6 --keep-out 10 --eval-side 224 --threads 1 "$@"
}
begun() { echo "$runs/student-v3-$1/checkpoint.pt"; }
student() { echo "$runs/student-v3-$1/saliency_student_v3.onnx"; }
sets() { hard=(--data "$data/pets=$1" --data "$data/fashion=$2" --data "$data/horses=$3"); }

# Where people looked and the teacher saw nothing, the first two rounds leave the label open.
label "$runs/pseudo-v3" "$teacher" --gaze-doubt 0.2,0.5
sets 0.25 1.5 2
soft=() && labelled "$runs/pseudo-v3" 1
resumed "$runs/student-v3-1" fit --arch v3 "${hard[@]}" "${soft[@]}" --epochs 7 --lr 2e-3 \
  --composites 4000 --by-set --seed 42

label "$runs/pseudo-v3-own" "$(student 1)" --gaze-doubt 0.2,0.5 --threads 1
soft=() && labelled "$runs/pseudo-v3" 0.5 && labelled "$runs/pseudo-v3-own" 0.5
resumed "$runs/student-v3-2" fit --arch v3 "${hard[@]}" "${soft[@]}" --epochs 6 --lr 2e-3 \
  --composites 4000 --by-set --seed 43 --init "$(begun 1)"

# From here on what the teachers deny is background, and objects are cut from hard labels alone.
label "$runs/pseudo" "$teacher"
sets 0.25 2.5 4
label "$runs/pseudo-v3-round2" "$(student 2)" --threads 1
soft=() && labelled "$runs/pseudo" 0.6 && labelled "$runs/pseudo-v3-round2" 0.4
resumed "$runs/student-v3-3" fit --arch v3 "${hard[@]}" "${soft[@]}" --epochs 14 --lr 1.5e-3 \
  --batch 16 --composites 3500 --seed 42 --init "$(begun 2)"

# Each picture beside its coded self.
resumed "$runs/student-v3-4" fit --arch v3 "${hard[@]}" "${soft[@]}" --epochs 6 --lr 6e-4 \
  --batch 16 --composites 2500 --seed 44 --consistency 1 --init "$(begun 3)"

# A teacher that is told where people looked: the gaze images are no more than its backgrounds.
sets 0.4 2.5 4
soft=() && labelled "$runs/pseudo-v3-own" 0.001
resumed "$runs/teacher" fit --arch gaze "${hard[@]}" "${soft[@]}" --epochs 5 --lr 2e-3 --batch 16 \
  --composites 6000 --seed 45 --init "$(begun 4)"

# A student of its labels.
label "$runs/pseudo-gaze" "$runs/teacher/checkpoint.pt" --threads 1
sets 0.5 2.5 4
soft=() && labelled "$runs/pseudo-gaze" 1.4
resumed "$runs/student-v3-5" fit --arch v3 "${hard[@]}" "${soft[@]}" --epochs 9 --lr 1.5e-3 \
  --batch 16 --composites 3500 --by-set --seed 45 --init "$(begun 4)"

# The teacher once more, with what it found as objects, and with people looked at in the face.
sets 0.4 2.5 4
soft=() && labelled "$runs/pseudo-gaze" 0.3
resumed "$runs/teacher-2" fit --arch gaze "${hard[@]}" "${soft[@]}" --epochs 4 --lr 1.5e-3 \
  --batch 16 --composites 6000 --by-set --gaze-top 0.5 --seed 46 --init "$runs/teacher/checkpoint.pt"

# Crowds and views are scenes, not objects; each picture is again beside its coded self.
label "$runs/pseudo-gaze-2" "$runs/teacher-2/checkpoint.pt" --threads 1
sets 0.4 2 3
soft=(--data "$runs/pseudo-gaze-2/gaze_osie=2" --data "$runs/pseudo-gaze-2/gaze_crowd=0.15")
soft+=(--data "$runs/pseudo-gaze-2/gaze_scene=0.001")
resumed "$runs/student-v3-6" fit --arch v3 "${hard[@]}" "${soft[@]}" --epochs 7 --lr 1e-3 \
  --batch 16 --composites 3500 --by-set --quiet-scenes --consistency 1 --seed 46 \
  --init "$(begun 5)"

# The same with no crowd at all, and the doubtful parts of a scene weighing more.
sets 0.3 2 3
soft=(--data "$runs/pseudo-gaze-2/gaze_osie=1.5" --data "$runs/pseudo-gaze-2/gaze_crowd=0.001")
soft+=(--data "$runs/pseudo-gaze-2/gaze_scene=0.001")
quiet=(--batch 16 --composites 3000 --by-set --quiet-scenes --soft-floor 0.3)
resumed "$runs/student-v3-7" fit --arch v3 "${hard[@]}" "${soft[@]}" "${quiet[@]}" --epochs 5 \
  --lr 8e-4 --consistency 1 --seed 47 --init "$(begun 6)"

# What coding changes weighs more.
resumed "$runs/student-v3-8" fit --arch v3 "${hard[@]}" "${soft[@]}" "${quiet[@]}" --epochs 2 \
  --lr 5e-4 --consistency 5 --seed 48 --init "$(begun 7)"

# Objects of hundreds of kinds, in the colours of their scenes; crowds and views are those scenes,
# and whatever else people looked at keeps its label.
hard+=(--data "${STAMPS:-$data/stamps}=6")
soft=(--data "$runs/pseudo-gaze-2/gaze_osie=1.5" --data "$runs/pseudo-gaze-2/gaze_crowd=0")
soft+=(--data "$runs/pseudo-gaze-2/gaze_scene=0")
pasted=(--batch 16 --by-set --harmony 0.8 --soft-floor 0.3)
resumed "$runs/student-v3-9" fit --arch v3 "${hard[@]}" "${soft[@]}" "${pasted[@]}" --epochs 8 \
  --composites 6000 --lr 1.5e-3 --seed 49 --init "$(begun 8)"

# The same, each picture beside its coded self: first with all that there is to learn from, then to
# choose the epoch, at the size that it is used at.
sets 0.4 2 3
hard+=(--data "${STAMPS:-$data/stamps}=6")
pasted+=(--composites 3000 --lr 5e-4 --eval-side 192)
resumed "$runs/student-v3-10" fit --arch v3 "${hard[@]}" "${soft[@]}" "${pasted[@]}" --epochs 3 \
  --consistency 4 --fold 0 --seed 51 --init "$(begun 9)"
resumed "$runs/student-v3" fit --arch v3 "${hard[@]}" "${soft[@]}" "${pasted[@]}" --epochs 2 \
  --consistency 6 --seed 52 --init "$(begun 10)"

measure "$runs/student-v3" v3 "$teacher" native,192,224
ship "$runs/student-v3" "$out" --default --note "Before round 6 was planned, round 5's maps of 20 \
frames of davis_dev were looked at; docs/student-v3.md has all rounds."
"$python" -m train validate "$out" --data "$data/davis_dev"
