# Checkpoints with packed weights: listed, but neither run, edited nor merged.
. "$CASES/lib.sh"
packed() { # NAME METHOD HEADER BYTES
    mkdir $1
    safetensors $1/model.safetensors "$3" $4
    echo "{\"model_type\": \"llama\", \"hidden_size\": 64, \"num_hidden_layers\": 1, \"num_attention_heads\": 4,
        \"intermediate_size\": 64, \"vocab_size\": 32, \"quantization_config\": {\"quant_method\": \"$2\"}}" >$1/config.json
}
layer=model.layers.0.mlp.down_proj
packed fp8 fp8 "{\"$layer.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[64,64],\"data_offsets\":[4,4100]},
    \"$layer.weight_scale_inv\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}}" 4100
packed gptq gptq "{\"$layer.qweight\":{\"dtype\":\"I32\",\"shape\":[8,64],\"data_offsets\":[0,2048]},
    \"$layer.scales\":{\"dtype\":\"F16\",\"shape\":[1,64],\"data_offsets\":[2048,2176]}}" 2176
packed awq awq "{\"$layer.qweight\":{\"dtype\":\"I32\",\"shape\":[64,8],\"data_offsets\":[0,2048]},
    \"$layer.scales\":{\"dtype\":\"F16\",\"shape\":[1,64],\"data_offsets\":[2048,2176]}}" 2176
packed mxfp4 mxfp4 "{\"$layer.weight_blocks\":{\"dtype\":\"U8\",\"shape\":[64,2,16],\"data_offsets\":[0,2048]},
    \"$layer.weight_scales\":{\"dtype\":\"U8\",\"shape\":[64,2],\"data_offsets\":[2048,2176]}}" 2176
cp -r mxfp4 bare # nothing says so but the names
echo '{"model_type": "llama"}' >bare/config.json
for kind in fp8 gptq awq mxfp4; do
    echo "== $kind"
    lancet tensors $kind
    try lancet edit $kind -p 'a b' -s a -t c 2>&1
    try lancet merge --method linear --model $kind:1 --model $kind:1 --output out 2>&1
    try lancet merge --method task_arithmetic --base $kind --model $kind:1 --into $kind 2>&1
    try lancet predict $kind a 2>&1
    try lancet convert $kind $kind.gguf 2>&1
done
try lancet edit bare -p 'a b' -s a -t c 2>&1
try lancet merge --method linear --model bare:1 --model bare:1 --output out 2>&1
ls
