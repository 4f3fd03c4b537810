# What a recipe would do: every tensor, and where one tensor's values come from.
. "$CASES/lib.sh"
llama a head
llama b head
cat >r.yml <<'Y'
merge_method: task_arithmetic
base_model: a
models:
  - model: b
    parameters:
      weight:
        - filter: mlp
          value: [0, 1]
        - value: 0.3
parameters:
  normalize: {filter: norm, value: true}
Y
lancet explain r.yml
lancet explain r.yml '*layers.1.*'
lancet explain --semantics mergekit r.yml lm_head.weight
lancet --json explain r.yml model.layers.1.mlp.up_proj.weight
try lancet explain r.yml 'no.such*'
try lancet explain nowhere.yml
cat >stack.yml <<'Y'
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 2]}]
  - sources: [{model: b, layer_range: [1, 3]}]
Y
lancet explain stack.yml
lancet explain stack.yml 'model.layers.3.*'
