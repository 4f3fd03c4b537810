# Names, globs, JSON; the table is aligned.
. "$CASES/lib.sh"
small_model m
lancet tensors m
lancet tensors m/model.safetensors 'a.*'
lancet tensors --names m
lancet --json tensors m '*bias'
try lancet tensors m 'c.*'
lancet info m | grep -v 'cannot run'
