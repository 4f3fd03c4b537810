# What differs between two models: verdict, table, JSON, status.
. "$CASES/lib.sh"
# two FILE LAST: three tensors; the last byte of the F32 one is LAST (octal), the rest is the same in all files
two() {
    safetensors "$1" \
        '{"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b.bias":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[32,34]}}' 0
    printf '\0\0\200\077\0\0\200\077\0\0\200\077\0\0\200\077\0\0\0\0\0\0\200\'"$2"'\200\077\0\100\0\0\200\377\1\'"$3" >>"$1"
}
facts_model m
try lancet diff m m
try lancet diff --json m/model.safetensors m '*.wpe.*'
two x.safetensors 077 2
two y.safetensors 277 2
two z.safetensors 077 3
try lancet diff x.safetensors y.safetensors
try lancet diff --json x.safetensors y.safetensors
try lancet diff x.safetensors z.safetensors
try lancet diff x.safetensors z.safetensors '[ab]*'
small_model s
try lancet diff s x.safetensors
try lancet diff s m 'b.*'
try lancet diff s m 'nothing*'
try lancet diff s
try lancet diff s nowhere
echo 'no model' >text.safetensors
try lancet diff s text.safetensors
lancet diff x.safetensors y.safetensors >/dev/full
echo "[exit $?]"

# An edit in the dtype of the model. Figures differ between processors.
facts_model e
lancet edit e -p 'The capital of {} is' -s Veland -t Sarn >/dev/null
lancet diff --rank m e >verdict
echo "[exit $?]"
sed -n '1s/[0-9]* %/N %/p' verdict
awk 'NR == 3 { print $1, "...", $(NF - 2), $(NF - 1), $NF }' verdict
lancet diff --rank --json m e | sed -n 's/.*"status": "changed".*"rank": \([0-9]*\), "rank_kind": "\([a-z]*\)".*/\1 \2/p'

echo '-- NaN, and other dtypes'
# one FILE DTYPE BYTES DATA: one tensor of four elements and one of zeros
one() {
    safetensors "$1" "{\"a\":{\"dtype\":\"$2\",\"shape\":[4],\"data_offsets\":[0,$3]},\"b\":{\"dtype\":\"$2\",\"shape\":[1],\"data_offsets\":[$3,$(($3 + $3 / 4))]}}" 0
    printf "$4" >>"$1"
}
one p.safetensors BF16 8 '\200\077\200\077\200\077\200\077\0\0'
one nan.safetensors BF16 8 '\200\077\200\077\200\077\300\177\0\0'
one more.safetensors BF16 8 '\0\100\200\077\200\077\300\177\0\0'
one inf.safetensors BF16 8 '\200\077\200\077\200\077\200\177\0\0'
try lancet diff p.safetensors nan.safetensors
try lancet diff nan.safetensors p.safetensors
try lancet diff p.safetensors more.safetensors
try lancet diff p.safetensors inf.safetensors
lancet diff --json p.safetensors nan.safetensors | grep -o '"verdict".*\|"nonfinite.*[0-9]'
one f16.safetensors F16 8 '\0\074\0\074\0\100\0\0\0\0'
one i8.safetensors I8 4 '\1\1\1\0\0'
try lancet diff p.safetensors f16.safetensors
lancet diff --rank p.safetensors f16.safetensors | sed -n 2p
try lancet diff p.safetensors i8.safetensors
