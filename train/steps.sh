# What the chains of students.sh and student_v3.sh are made of; sourced by them.
# They set: data, published, runs, and may set PYTHON.
python=${PYTHON:-python}

# label OUT MODEL [OPTION…]: soft labels of the gaze images by a model, where they are not there yet.
label() {
  local out=$1 model=$2 set
  shift 2
  for set in osie crowd scene; do
    "$python" -m train pseudo-label --model "$model" --images "$data/gaze_$set/images" \
      --gaze "$data/gaze_$set/maps" --out "$out/gaze_$set" "$@"
  done
}

# labelled OUT WEIGHT: the --data of such labels, into the array `soft`.
labelled() {
  local set
  for set in osie crowd scene; do soft+=(--data "$1/gaze_$set=$2"); done
}

# resumed RUN LAUNCHER… OPTION…: a run of fit, taken up where it was cut off.
resumed() {
  local run=$1 resume=()
  shift
  [ ! -e "$run/checkpoint.pt" ] || resume=(--resume)
  "$@" --out "$run" "${resume[@]}"
}

# measure RUN ARCH PUBLISHED SIDES: scores on real video and on the kept-out stems, beside a published
# model.
measure() {
  local run=$1 measured=(--model "$1/saliency_student_$2.onnx" --model "$3" --short-side "$4")
  "$python" -m train evaluate "${measured[@]}" --data "$data/davis_dev" --by-sequence \
    --json "$run/davis.json"
  "$python" -m train evaluate "${measured[@]}" --kept-out --data "$data/fashion" \
    --data "$data/horses" --data "$data/pets" --json "$run/kept_out.json"
}

# ship RUN OUT [OPTION…]: a run's best epoch into the registry, with the scores that were measured.
ship() {
  local run=$1 out=$2
  shift 2
  "$python" -m train export "$run/checkpoint.pt" --out "$out" --scores "$run/davis.json" \
    --scores "$run/kept_out.json" "$@"
}
