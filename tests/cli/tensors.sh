# Names, globs, JSON; the table is aligned.
. "$CASES/lib.sh"
small_model m
lancet tensors m
lancet tensors m/model.safetensors 'a.*'
lancet tensors --names m
lancet --json tensors m '*bias'
try lancet tensors m 'c.*'
lancet info m | grep -v 'cannot run'
lancet tensors m --stats
lancet tensors m 'a*' --stats --json
facts_model f
lancet tensors f '*.0.ln_?.*' --stats
safetensors q.safetensors '{"q":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}' 2
lancet tensors q.safetensors --stats
try lancet tensors m --stats --names
