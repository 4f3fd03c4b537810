# Bad recipes: each is refused with line and column and its exit status, before anything is written.
. "$CASES/lib.sh"

llama a head
llama b head
llama c head
llama tied tied
llama wide head 6
llama whole head 4 I32
llama bare head
rm bare/config.json
llama fp8 head
echo '{"model_type": "llama", "num_hidden_layers": 3, "quantization_config": {"quant_method": "fp8"}}' >fp8/config.json
small_model odd
echo '{"model_type": "odd"}' >odd/config.json
cp -r whole whole2
printf '\1' | dd of=whole2/model.safetensors bs=1 conv=notrunc seek=$(($(wc -c <whole/model.safetensors) - 1)) 2>/dev/null

n=0
# bad WHAT STATUS: the recipe on stdin.
bad() {
    cat >r.yml
    n=$((n + 1))
    status=0
    lancet merge r.yml --output out >said 2>&1 || status=$?
    [ $status = "$2" ] || echo "$1: exit $status, expected $2"
    grep -q '^lancet: r\.yml:[0-9][0-9]*:[0-9][0-9]*: ' said || echo "$1: without line and column"
    [ -e out ] && echo "$1: there is an output"
    rm -rf out
    echo "$1: $(sed 's/^lancet: r\.yml://' said)"
}

# What cannot be read.
bad 'not YAML' 4 <<'Y'
merge_method: linear
models: [a, b
Y
bad 'tab' 4 <<'Y'
merge_method: linear
models:
	- model: a
Y
bad 'empty' 4 <<'Y'
# nothing
Y
bad 'two documents' 4 <<'Y'
merge_method: linear
---
merge_method: linear
Y
bad 'duplicate key' 4 <<'Y'
merge_method: linear
dtype: float32
models: [{model: a, parameters: {weight: 1}}]
dtype: bfloat16
Y
bad 'tag' 4 <<'Y'
merge_method: !!python/name:os.system linear
Y
bad 'loop' 4 <<'Y'
merge_method: linear
models: &m [*m]
Y
bad 'unknown alias' 4 <<'Y'
merge_method: linear
models: *m
Y
{
    echo 'merge_method: linear'
    echo 'x0: &x0 [a, b, c, d, e, f, g, h, i, j]'
    for i in 1 2 3 4 5 6 7 8 9; do
        p=$((i - 1))
        echo "x$i: &x$i [*x$p, *x$p, *x$p, *x$p, *x$p, *x$p, *x$p, *x$p, *x$p, *x$p]"
    done
} | bad 'alias bomb' 4
{
    echo 'merge_method: linear'
    printf 'models: '
    for i in 1 2 3 4 5 6 7 8 9 10; do printf '[[[['; done
    echo
} | bad 'deep' 4
bad 'merge key' 4 <<'Y'
merge_method: linear
models:
  - &first {model: a, parameters: {weight: 1}}
  - {<<: *first, model: b}
Y
bad 'key that is a list' 4 <<'Y'
merge_method: linear
[a, b]: c
Y

# Keys and their values.
bad 'a list' 2 <<'Y'
- merge_method: linear
Y
bad 'no method' 2 <<'Y'
models:
  - model: a
Y
bad 'unknown method' 2 <<'Y'
merge_method: slurp
models:
  - model: a
Y
bad 'unheard-of method' 2 <<'Y'
merge_method: average_of_everything
models:
  - model: a
Y
bad 'later method' 5 <<'Y'
merge_method: ties
base_model: a
models:
  - model: b
    parameters: {weight: 1, density: 0.5}
Y
bad 'misspelt key' 2 <<'Y'
merge_method: linear
models:
  - model: a
    paramters: {weight: 1}
Y
bad 'misspelt top key' 2 <<'Y'
merge_method: linear
base_modell: a
models:
  - model: a
    parameters: {weight: 1}
Y
bad 'parameter at the top' 2 <<'Y'
merge_method: linear
normalize: false
models:
  - model: a
    parameters: {weight: 1}
Y
bad 'weight beside parameters' 2 <<'Y'
merge_method: linear
models:
  - model: a
    weight: 1
Y
bad 'misspelt parameter' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {wieght: 1}
Y
bad 'British parameter' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: 1}
parameters: {normalise: true}
Y
bad 'parameter of another method' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: 1, density: 0.5}
Y
bad 'parameter of the whole tensor' 2 <<'Y'
merge_method: slerp
base_model: a
models:
  - model: a
  - model: b
    parameters: {t: 0.5}
Y
bad 'out of range' 2 <<'Y'
merge_method: slerp
base_model: a
models: [{model: a}, {model: b}]
parameters: {t: 1.7}
Y
bad 'out of range in a gradient' 2 <<'Y'
merge_method: slerp
base_model: a
models: [{model: a}, {model: b}]
parameters:
  t: [0, 0.5, -0.5]
Y
bad 'text for a number' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: heavy}
Y
bad 'quoted number' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: "0.5"}
Y
bad 'infinite' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: .inf}
Y
bad 'boolean for a number' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: yes}
Y
bad 'number for a boolean' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: 1}
parameters: {normalize: 0.5}
Y
bad 'gradient of a boolean' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: 1}
parameters: {normalize: [true, false]}
Y
bad 'no value' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters:
      weight:
Y
bad 'empty gradient' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: []}
Y
bad 'list in a gradient' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: [1, [2, 3]]}
Y
bad 'condition without a value' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters:
      weight: [{filter: mlp}]
Y
bad 'unknown key in a condition' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters:
      weight: [{filters: mlp, value: 1}]
Y
bad 'conditions in conditions' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters:
      weight: [{filter: mlp, value: [{value: 1}]}]
Y
bad 'integer dtype' 2 <<'Y'
merge_method: linear
models: [{model: a, parameters: {weight: 1}}]
out_dtype: int64
Y
bad 'unknown dtype' 2 <<'Y'
merge_method: linear
models: [{model: a, parameters: {weight: 1}}]
dtype: float8
Y
bad 'unknown semantics' 2 <<'Y'
merge_method: linear
models: [{model: a, parameters: {weight: 1}}]
semantics: mergkit
Y
bad 'models and slices' 2 <<'Y'
merge_method: linear
models: [{model: a, parameters: {weight: 1}}]
slices: [{sources: [{model: a, layer_range: [0, 3]}]}]
Y
bad 'neither' 2 <<'Y'
merge_method: linear
base_model: a
Y
bad 'no models' 2 <<'Y'
merge_method: linear
models: []
Y
bad 'model without a name' 2 <<'Y'
merge_method: linear
models:
  - parameters: {weight: 1}
Y
bad 'another module' 5 <<'Y'
merge_method: linear
modules:
  vision_tower:
    models: [{model: a, parameters: {weight: 1}}]
Y
bad 'residual weight' 2 <<'Y'
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
    residual_weight: 1
Y
bad 'reversed range' 2 <<'Y'
merge_method: passthrough
slices:
  - sources:
      - {model: a, layer_range: [2, 0]}
Y
bad 'negative range' 2 <<'Y'
merge_method: passthrough
slices:
  - sources:
      - {model: a, layer_range: [-1, 2]}
Y
bad 'no range' 2 <<'Y'
merge_method: passthrough
slices:
  - sources: [{model: a}]
Y
bad 'range among models' 2 <<'Y'
merge_method: linear
models: [{model: a, layer_range: [0, 2], parameters: {weight: 1}}]
Y
bad 'unequal ranges' 2 <<'Y'
merge_method: linear
slices:
  - sources:
      - {model: a, layer_range: [0, 2]}
      - {model: b, layer_range: [0, 3]}
    parameters: {weight: 1}
Y
bad 'tied by recipe' 2 <<'Y'
merge_method: linear
models: [{model: a, parameters: {weight: 1}}]
tie_word_embeddings: true
Y
bad 'tokenizer' 5 <<'Y'
merge_method: linear
models: [{model: a, parameters: {weight: 1}}]
tokenizer_source: union
Y
bad 'chat template' 5 <<'Y'
merge_method: linear
models: [{model: a, parameters: {weight: 1}}]
chat_template: chatml
Y
bad 'LoRA' 5 <<'Y'
merge_method: linear
models: [{model: a+lora, parameters: {weight: 1}}]
Y
bad 'model as a mapping' 5 <<'Y'
merge_method: linear
models: [{model: {path: a, override_architecture: X}, parameters: {weight: 1}}]
Y

# What the models say.
bad 'missing model' 3 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: 1}
  - model: nowhere/at/all
    parameters: {weight: 1}
Y
bad 'missing weight' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters: {weight: 1}
  - model: b
Y
bad 'weight for some tensors' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters:
      weight: {filter: mlp, value: 1}
Y
bad 'missing t' 2 <<'Y'
merge_method: slerp
base_model: a
models: [{model: a}, {model: b}]
Y
bad 'no base' 2 <<'Y'
merge_method: slerp
models: [{model: a}, {model: b}]
parameters: {t: 0.5}
Y
bad 'three for slerp' 2 <<'Y'
merge_method: slerp
base_model: a
models: [{model: a}, {model: b}, {model: c}]
parameters: {t: 0.5}
Y
bad 'nothing but the base' 2 <<'Y'
merge_method: task_arithmetic
base_model: a
models: [{model: a}]
Y
bad 'slice without the base' 2 <<'Y'
merge_method: task_arithmetic
base_model: a
slices:
  - sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}]
  - sources: [{model: b, layer_range: [1, 3]}]
parameters: {weight: 1}
Y
bad 'base cut off by mergekit' 2 <<'Y'
merge_method: task_arithmetic
semantics: mergekit
base_model: a
slices:
  - sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}]
  - sources: [{model: b, layer_range: [1, 3]}, {model: c, layer_range: [1, 3]}, {model: a, layer_range: [1, 3]}]
parameters: {weight: 1}
Y
bad 'two for passthrough' 2 <<'Y'
merge_method: passthrough
models: [{model: a}, {model: b}]
Y
bad 'listed twice' 2 <<'Y'
merge_method: linear
models:
  - {model: a, parameters: {weight: 1}}
  - {model: ./a/, parameters: {weight: 1}}
Y
bad 'twice in a slice of mergekit' 2 <<'Y'
merge_method: linear
semantics: mergekit
slices:
  - sources: [{model: a, layer_range: [0, 2]}, {model: a, layer_range: [1, 3]}]
parameters: {weight: 1}
Y
bad 'weights that sum to zero' 2 <<'Y'
merge_method: linear
models:
  - {model: a, parameters: {weight: 1}}
  - {model: b, parameters: {weight: -1}}
Y
bad 'filter that fits nothing' 2 <<'Y'
merge_method: linear
models:
  - model: a
    parameters:
      weight:
        - {filter: self_attn, value: 1}
        - {value: 0.5}
Y
bad 'range outside' 2 <<'Y'
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 9]}]
Y
bad 'other vocabulary' 6 <<'Y'
merge_method: linear
models:
  - {model: a, parameters: {weight: 1}}
  - {model: wide, parameters: {weight: 1}}
Y
bad 'other tensors' 6 <<'Y'
merge_method: linear
models:
  - {model: a, parameters: {weight: 1}}
  - {model: odd, parameters: {weight: 1}}
Y
bad 'tied and untied' 6 <<'Y'
merge_method: linear
models:
  - {model: a, parameters: {weight: 1}}
  - {model: tied, parameters: {weight: 1}}
Y
bad 'integers' 6 <<'Y'
merge_method: linear
models:
  - {model: whole, parameters: {weight: 1}}
  - {model: whole2, parameters: {weight: 1}}
Y
bad 'no config' 3 <<'Y'
merge_method: linear
models:
  - {model: a, parameters: {weight: 1}}
  - {model: bare, parameters: {weight: 1}}
Y
bad 'quantised' 5 <<'Y'
merge_method: linear
models:
  - {model: a, parameters: {weight: 1}}
  - {model: fp8, parameters: {weight: 1}}
Y
[ $n -ge 40 ] || echo "only $n recipes"
