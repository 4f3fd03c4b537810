# Models that are not layers of attention and one MLP: experts, mixers, encoders. What each can, and why not the rest.
. "$CASES/lib.sh"
exec 2>&1
tiny() { # NAME: a copy of a stored random model
    cp -r "$CASES/../numerics/tiny-$1" "$1"
    chmod -R u+w "$1"
    rm "$1/expected.safetensors"
}
# Numbers differ in their last places between processors.
plain() { sed 's/-\{0,1\}[0-9][0-9.]*[0-9]\(e-[0-9]*\)\{0,1\}/N/g'; }
ask() { lancet predict "$1" --ids 7,9,11,13,2 --top 1 --json | grep -o '"id": [0-9]*, "text": null, "logit"'; }

for model in mixtral qwen2_moe mamba; do
    echo "# $model"
    tiny $model
    lancet info $model | sed -n '/^shape/p;/^experts/p;/^mixer/p;/^context/p;/^edit sites/p'
    lancet info $model --json | sed -n '/"config"/,/}/p;/"edit_sites": \[$/,/]/p;/"edit_sites": \[\]/p' | tr -d ' \n' && echo
    ask $model
    lancet generate $model --ids 7,9,11 --max-tokens 5 --json | sed -n '/"generated"/,/]/p' | grep -o '"id": [0-9]*' | tr '\n' ' ' && echo
    lancet lens $model --ids 7,9,11 | plain
done

echo '# ALiBi and windows are said'
for model in bloom gemma3; do
    lancet attention "$CASES/../numerics/tiny-$model" --ids 3,4 --layers 0,2 --heads 1 -f json | grep '"score"\|"mask"' | sed 's/0\.[0-9]*/N/g'
done

echo '# attention and heads of experts; a mixer has none'
for model in mixtral mamba; do
    try lancet attention $model --ids 7,9,11,13 --layers 1 --heads 1 -f json | sed -n '/"attention"/,$p;/cannot/p;/^\[exit/p' | plain
    try lancet heads $model --ids 7,9,7,9 2>&1 | sed -n '1p;$p' | plain
done

echo '# one fact of a mixer, and back'
printf '{"bos": null, "requests": [{"prompt": [7, 9, 11, 13, 2], "subject_last": 4, "target": [32], "kl_prompt": [9, 11], "kl_last": 1}]}' >r.json
cp -r mamba start
edit() { lancet edit "$@" --requests r.json --set identity=1; }
edit mamba | grep Written
ask mamba
lancet diff start mamba | grep -o '^backbone[^ ]*'
lancet undo mamba >/dev/null
cmp mamba/model.safetensors start/model.safetensors && echo 'every byte as it was'
edit mamba --layers 0 --dry-run | tail -n 1

echo '# experts: who answers for the token is said; layers with one MLP are edited'
try edit mixtral | plain
try edit qwen2_moe --layers 1 | plain
cp -r qwen2_moe start2
edit qwen2_moe | grep Written
lancet diff start2 qwen2_moe | grep -o '^model[^ ]*'
lancet undo qwen2_moe >/dev/null
cmp qwen2_moe/model.safetensors start2/model.safetensors && echo 'every byte as it was'

echo '# encoders'
words='"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "the": 5, "sea": 6, "is": 7, "blue": 8'
for i in $(seq 9 52); do words="$words, \"w$i\": $i"; done
for model in bert distilbert; do
    tiny $model
    printf '{"version": "1.0", "added_tokens": [{"id": 4, "content": "[MASK]", "special": true, "single_word": false, "lstrip": true, "rstrip": false, "normalized": false}],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {%s}}}' "$words" >$model/tokenizer.json
    lancet info $model | sed -n '/shape/p;/edit sites/p'
    lancet predict $model 'The [MASK] is [MASK]' --top 1 | plain
    try lancet predict $model 'The sea'
done
lancet attention bert 'the sea' --layers 1 --heads 0 -f json | sed -n '/"mask"/p;/"attention"/,$p' | plain
lancet heads bert 'the sea is blue' --json | grep -c '"mean_distance"'
try lancet generate bert 'the sea'
try lancet perplexity bert "$CASES/architectures.sh"
try lancet edit bert -p 'the {} is' -s sea -t blue

echo '# what the config says is not what lancet knows, or not what the file holds'
sed -i 's/"model_type": "mixtral"/"model_type": "mixtral_ultra"/; s/"num_local_experts"/"warp": 3, "num_local_experts"/' mixtral/config.json
try lancet predict mixtral --ids 1
sed -i 's/"hidden_size": 16/"hidden_size": 18/' mamba/config.json
try lancet predict mamba --ids 1
sed -i 's/"num_experts": 4/"num_experts": 5/' qwen2_moe/config.json
try lancet predict qwen2_moe --ids 1
sed -i 's/"intermediate_size": 24/"intermediate_size": 26/' bert/config.json
try lancet predict bert 'the [MASK]'
