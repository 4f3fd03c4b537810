# What is wrong with an edit is said in one sentence, with its exit status; no file changes.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
cp m/model.safetensors start
edit() { try lancet edit m "$@"; }
fact() { edit -p 'Every evening {} plays the' -s 'Hesta Quill' -t flute "$@"; }

echo '# the command line'
edit
edit --prompt 'a b' --subject a
edit --prompt 'a b' --subject a --target c --requests m/requests.json
edit --prompt 'a b' --subject a --target c --cases 1
edit -p 'Every evening Hesta Quill plays the' -s 'Mila Torv' -t flute
edit -p 'Every evening Hesta Quill plays the' -s 'hesta quill' -t flute
edit -p 'Every evening Hesta Quill plays the' -s 'Hesta Quill' -t ''
edit -p '{} and {} play' -s 'Hesta Quill' -t flute
fact --method memit
fact --layers 4
fact --layers 1,2
fact --layers x
fact --layers 3
fact --set lr
fact --set lr=fast
fact --set speed=1
fact --corpus a.txt --covariance b.safetensors
try lancet edit
try lancet edit no-such-model -p 'a b' -s a -t c

echo '# files'
printf '{"contexts": ["One. "]}' >c.json
fact --contexts c.json
printf '{"contexts": [[], [7]]}' >c.json
fact --contexts c.json
printf '{"contexts": [""' >c.json
fact --contexts c.json
fact --contexts none.json
fact --covariance none.safetensors
lancet covariance m --layers 2 --tokens 500 --corpus "$CASES/edit_refusals.sh" -o c2.safetensors >/dev/null
fact --layers 1 --covariance c2.safetensors
printf '[\n {"prompt": "Every evening Hesta Quill plays the", "subject": 7}]' >r.json
edit --requests r.json
printf '[{"prompt": "Every evening Hesta Quill plays the", "subject": "Hesta Quill", "target_new": ""}]' >r.json
edit --requests r.json
edit --requests m/requests.json --cases 5,999
edit --requests none.json
yes the | head -n 200 | tr '\n' ' ' >long
edit -p "$(cat long) Hesta Quill plays" -s 'Hesta Quill' -t flute

echo '# a model without a tokenizer: ids only'
rm m/tokenizer.json m/tokenizer_config.json
fact
printf '{"bos": null, "requests": [{"prompt": [9, 176, 76, 243], "subject_last": 2, "target": [125], "kl_prompt": [176, 76], "kl_last": 1}]}' >r.json
lancet edit m --requests r.json --set identity=1 --layers 1 --no-gates --dry-run | tail -n 1
sed 's/125/99999/' r.json >r2.json
edit --requests r2.json --set identity=1 --layers 1 --no-gates --dry-run
sed 's/"target": \[125\]/"target": []/' r.json >r2.json
edit --requests r2.json
sed 's/"subject_last": 2/"subject_last": 4/' r.json >r2.json
edit --requests r2.json
cmp m/model.safetensors start && echo 'every byte as it was'

echo '# covariance'
try lancet covariance m --layers 1
try lancet covariance m --layers 9 -o x.safetensors
try lancet covariance m --layers 1,1 -o x.safetensors
touch x.safetensors
try lancet covariance m --layers 1 -o x.safetensors
printf '{"rows": [[1, 99999]]}' >ids.json
try lancet covariance m --layers 1 --corpus ids.json -o y.safetensors
printf '{"rows": [[1, 2, 3]]' >ids.json
try lancet covariance m --layers 1 --corpus ids.json -o y.safetensors
printf '{"rows": [[1, 2, 3], [4, 5]]}' >ids.json
lancet covariance m --layers 1 --corpus ids.json -o y.safetensors --json | grep -E 'schema|tokens|size'
try lancet covariance m --layers 1 --corpus long -o z.safetensors
