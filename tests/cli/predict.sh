# The next tokens, from text, standard input and ids; every wrong prompt is said.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
lancet predict m 'The capital of' >table
sed -n 's/tokens:.*/tokens/p;2s/  */ /gp' table
wc -l <table
printf 'The capital of\n' | lancet predict m - | cmp - table
lancet predict m --ids "$(lancet tokenize m --ids 'The capital of')" | cmp - table
for threads in 1 2 3; do lancet --threads $threads predict m 'The capital of' | cmp - table; done
lancet predict m --top 3 --json 'The capital of' >json
grep -c '"probability"' json
sed 's/[0-9][0-9.e-]*/N/g;s/"text": ".*", /"text": T, /' json | head -n 13
lancet predict m --ids 1,2,3 --logits l.npy >/dev/null
od -A n -c -N 8 l.npy
head -c 80 l.npy | tail -c +11
echo
echo $(($(wc -c <l.npy) - 128)) bytes of data
try lancet predict m --ids 1,2,3 --logits l.npy
lancet predict m --ids 1,2,3 --logits l.npy --force >/dev/null
ls
try lancet predict m
try lancet predict m text --ids 1
try lancet predict m ''
try lancet predict m --ids ''
try lancet predict m --ids 1,x
try lancet predict m --ids 1,99999
try lancet predict m --ids 1,99999999999
try lancet predict m "$(yes the | head -n 300 | tr '\n' ' ')" 2>&1 | sed 's/is [0-9]*$/is N/'
try lancet predict m --top x text
printf 'The capital of\nThe king' >lines
{ lancet predict m 'The capital of' && lancet predict m 'The king'; } >both
lancet predict m --batch lines | cmp - both
lancet predict m --batch lines --json | grep -c '"next"'
# Lines of JSON: texts, with new lines in them, and ids.
printf '"The capital of"\n{"prompt": "The king", "answer": 3}\n[1, 2]\n{"prompt": "a\\nb"}\n' >lines.jsonl
{ cat both; lancet predict m --ids 1,2; lancet predict m "$(printf 'a\nb')"; } >four
lancet predict m --batch lines.jsonl | cmp - four
lancet tokenize m --batch lines.jsonl >ids
for text in 'The capital of' 'The king' "$(printf 'a\nb')"; do lancet tokenize m --ids "$text"; done >texts
sed 3d ids | cmp - texts
sed -n 3p ids
for line in '{"text": "x"}' '17' '[1, -2]' '[1.5]' '"a' '{"prompt": {}}' '[1, 99999]' '[]'; do
    printf '"x"\n%s\n' "$line" >bad.jsonl
    try lancet predict m --batch bad.jsonl
done
yes the | head -n 300 | tr '\n' ' ' >long
try lancet predict m --batch long
printf 'one\n\ntwo\n' >lines
try lancet predict m --batch lines
try lancet predict m text --batch lines
try lancet predict m --batch lines --logits x.npy
