# What is no model is said with its name, and why.
. "$CASES/lib.sh"
exec 2>&1
try lancet info missing
try lancet tensors missing
mkdir empty
try lancet info empty
: >nothing.safetensors
try lancet info nothing.safetensors
head -c 100 /dev/zero >zeros.safetensors
try lancet info zeros.safetensors
printf 'hello, world\n' >text.txt
try lancet info text.txt
safetensors cut.safetensors '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}' 15
try lancet tensors cut.safetensors
safetensors twice.safetensors '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}' 2
try lancet tensors twice.safetensors
