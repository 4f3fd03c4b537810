# Task vectors: extracted, applied, scaled, refused.
. "$CASES/lib.sh"
# floats FILE NAME BYTES...: one F32 tensor of [2]
floats() {
    safetensors "$1" "{\"$2\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}" 0
    printf "$3" >>"$1"
}
floats base.safetensors w '\0\0\200\077\0\0\0\0'  # 1 0
floats tuned.safetensors w '\0\0\0\100\0\0\200\277' # 2 -1
floats other.safetensors v '\0\0\0\100\0\0\200\277'
floats nan.safetensors w '\0\0\300\177\0\0\0\0'
try lancet task-vector base.safetensors tuned.safetensors -o t.safetensors
lancet tensors --json t.safetensors | grep dtype
lancet --json task-vector base.safetensors tuned.safetensors -o t2.safetensors
cmp t.safetensors t2.safetensors
echo "refused:"
try lancet task-vector base.safetensors tuned.safetensors -o t.safetensors
try lancet task-vector base.safetensors tuned.safetensors
try lancet task-vector base.safetensors base.safetensors -o none.safetensors
try lancet task-vector base.safetensors other.safetensors -o none.safetensors
try lancet task-vector base.safetensors nan.safetensors -o none.safetensors
try lancet task-vector base.safetensors tuned.safetensors -o base.safetensors --force
try lancet task-vector base.safetensors tuned.safetensors -o no/such/folder
try lancet task-vector base.safetensors tuned.safetensors -o none.safetensors --memory 1M
ls

mkdir m
cp base.safetensors m/model.safetensors
echo "in place:"
try lancet apply m t.safetensors --scale 0.5
lancet tensors --stats m
try lancet apply m t.safetensors
try lancet apply m t.safetensors --scale 0.5 --force
lancet diff m tuned.safetensors
lancet log m | sed 's/20..-..-.. ..:../WHEN/'
lancet undo m
lancet undo m
lancet diff m base.safetensors
echo "into a folder:"
try lancet apply m t.safetensors t2.safetensors --scale 2 --scale=-1 --output n
lancet diff n tuned.safetensors
cp -r m p
rm -r p/.lancet
lancet --json apply p t.safetensors --no-history
lancet diff p tuned.safetensors
lancet log p
echo "refused:"
try lancet apply n tuned.safetensors
try lancet apply n t.safetensors t.safetensors t.safetensors --scale 1 --scale 2
try lancet apply n t.safetensors --scale much
try lancet apply n t.safetensors --scale 0
try lancet apply n t.safetensors t2.safetensors --scale 1 --scale=-0.0
try lancet apply n t.safetensors ./t.safetensors --force
try lancet apply n t.safetensors --scale 1e39 --force
try lancet apply n t.safetensors --output n --force 2>&1 | sed 's/"[^"]*n"/N/'
cp -r m gone
try lancet apply n t.safetensors --output gone --force --scale 0.5
ls -A gone
try lancet apply n t.safetensors --output x --no-history
try lancet apply nowhere t.safetensors
try lancet apply n nowhere
mkdir v
cp other.safetensors v/model.safetensors
try lancet apply v t.safetensors
lancet diff n tuned.safetensors
