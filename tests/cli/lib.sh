# For scripts of this folder: . "$CASES/lib.sh"

# What went wrong does not end a script: says the exit status behind the command instead.
try() {
    "$@"
    echo "[exit $?]"
}

# safetensors FILE HEADER DATA-BYTES: a file with this header (its length goes in front) and zeros as data.
safetensors() {
    n=$(printf %s "$2" | wc -c)
    { # 8 bytes, little-endian
        printf "\\$(printf %o $((n % 256)))\\$(printf %o $((n / 256 % 256)))\\0\\0\\0\\0\\0\\0"
        printf %s "$2"
        head -c "$3" /dev/zero
    } >"$1"
}

# A folder with two tensors and no config.
small_model() {
    mkdir -p "$1"
    safetensors "$1/model.safetensors" \
        '{"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b.bias":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}' 32
}

# A copy of the tiny trained model that lancet ships, as NAME.
facts_model() {
    cp -r "$CASES/../../fixtures/facts" "$1"
    chmod -R u+w "$1"
}

# Waits until process PID has mapped its model, and a little longer.
wait_for_model() {
    tries=0
    until grep -q safetensors "/proc/$1/maps" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -gt 300 ] && { echo "process $1 opens no model"; exit 1; }
        sleep 0.1
    done
    sleep 0.5
}

# llama NAME HEAD [ROWS [DTYPE BYTES]]: three layers of one tensor each, zeros; HEAD: head or tied.
llama() {
    mkdir "$1"
    rows=${3:-4} dtype=${4:-F32} bytes=${5:-4} header= at=0
    add() {
        header="$header,\"$1\":{\"dtype\":\"$dtype\",\"shape\":[$2,2],\"data_offsets\":[$at,$((at + $2 * 2 * bytes))]}"
        at=$((at + $2 * 2 * bytes))
    }
    add model.embed_tokens.weight "$rows"
    for layer in 0 1 2; do add model.layers.$layer.mlp.up_proj.weight 3; done
    add model.norm.weight 1
    [ "$2" = head ] && add lm_head.weight "$rows"
    safetensors "$1/model.safetensors" "{${header#,}}" "$at"
    tied=true
    [ "$2" = head ] && tied=false
    echo "{\"model_type\": \"llama\", \"num_hidden_layers\": 3, \"tie_word_embeddings\": $tied}" >"$1/config.json"
}
