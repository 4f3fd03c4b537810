# Maps in every format; what does not exist is said with what does.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
lancet attention m 'The boy took the book' -f json --layers 1 --heads 0,2 >json
sed 's/[0-9]\.[0-9e-]*/N/g' json
lancet attention m 'The boy took the book' --json --layers 1 --heads 0,2 | cmp - json
for threads in 1 2 3; do lancet --threads $threads attention m 'The boy took the book' -o t.json --layers 1 --heads 0,2 --force; cmp t.json json; done
lancet attention m --ids "$(lancet tokenize m --ids 'The boy took the book')" -f json --layers 1 --heads 0,2 | grep -c '"text": null'
lancet attention m 'The boy took the book' -f json --layers 3 --heads 1 --topk 2 --tokens 1:4 --digits 3 | sed -n '/"tokens"/,/prompt_tokens/p;/"keys"/s/[0-9]\.[0-9e-]*/N/gp'
lancet attention m 'The boy took the book' -f json --layers 2-3 --scores | grep -c 'null,null\]'
lancet attention m 'The boy took the book' -f json --layers 2-3 --average-heads | grep -c '^\[[0-9]'
rm t.json

echo '-- what is refused'
try lancet attention m 'The boy' -f json --layers 4
try lancet attention m 'The boy' -f json --layers 3-1
try lancet attention m 'The boy' -f json --layers ''
try lancet attention m 'The boy' -f json --heads 0-4
try lancet attention m 'The boy' -f json --heads x
try lancet attention m 'The boy' -f json --tokens 1:1
try lancet attention m 'The boy' -f json --tokens 1:3
try lancet attention m 'The boy' -f json --tokens 2:1
try lancet attention m 'The boy' -f json --tokens 1-2
try lancet attention m 'The boy' -f json --topk 0
try lancet --json attention m 'The boy' -o maps.csv
try lancet attention m 'The boy' -f json --topk 1 --scores
try lancet attention m 'The boy' -f json --digits 10
for format in terminal png npz safetensors; do try lancet attention m 'The boy' -f $format --digits 3; done
try lancet attention m --ids 1,,2 -f json
cp -r m broken
at=$(lancet tensors m --json '*.h.0.attn.c_attn.weight' | sed -n 's/.*"offset": \([0-9]*\).*/\1/p')
printf '\300\177' | dd of=broken/model.safetensors bs=1 seek="$at" conv=notrunc 2>/dev/null
try lancet attention broken 'The boy' -o broken.json
try lancet attention broken 'The boy'
rm -r broken
try lancet attention m 'The boy' -f yaml 2>&1 | sed 's/one of .* (/one of .. (/'
try lancet attention m 'The boy' -o maps.yaml 2>&1 | sed 's/one of .* (/one of .. (/'
try lancet attention m '' -f json
yes 'the boy took' | head -n 60000 | try lancet attention m - -f json
try lancet attention m -f json
try lancet attention m --ids 1,99999 -f json
try lancet attention m 'The boy' -o json --format json
try lancet attention m 'The boy' -o . --format json
try lancet attention m 'The boy' -o no/such.json
try lancet attention m 'The boy' -o /dev/full --format json
lancet attention m 'The boy' -o /dev/null --format json
ls

echo '-- a dump of more than 1 GiB is said before anything is computed'
cp -r "$CASES/../numerics/tiny-llama" long
chmod -R u+w long
sed -i 's/"max_position_embeddings": 64/"max_position_embeddings": 20000/' long/config.json
ids=$(yes 7 | head -n 12000 | paste -s -d , -)
for format in json jsonl csv npz safetensors; do
    try lancet attention long --ids "$ids" -f $format 2>&1 | sed 's/about [0-9.]* GB/about N GB/'
done
