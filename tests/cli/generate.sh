# Text that continues a prompt: the same for any number of threads, cut at a stop text, drawn the same for one seed.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
lancet generate m 'The Eiffel Tower is in' -n 12 >greedy
test "$(wc -l <greedy)" -ge 1 || echo 'no new line at the end'
printf 'The Eiffel Tower is in\n' | lancet generate m - -n 12 | cmp - greedy
for threads in 1 2 3; do lancet --threads $threads generate m 'The Eiffel Tower is in' -n 12 | cmp - greedy; done
lancet generate m --ids "$(lancet tokenize m --ids 'The Eiffel Tower is in')" -n 12 | cmp - greedy
# The first token is the one that predict shows first.
first=$(lancet predict m 'The Eiffel Tower is in' -k 1 --json | sed -n '/"next"/,$s/.*"text": "\(.*\)", "logit".*/\1/p')
case $(cat greedy) in "$first"*) ;; *) echo "greedy text does not begin with '$first'" ;; esac
lancet generate m 'The' -n 20 -t 1 --seed 7 >one
lancet generate m 'The' -n 20 -t 1 --seed 7 | cmp - one
lancet generate m 'The' -n 20 -t 1 --seed 8 | cmp -s - one && echo 'another seed, the same text'
lancet generate m 'The' -n 20 -t 1 --seed 8 --top-k 1 >narrow
lancet generate m 'The' -n 20 | cmp - narrow
# A stop text is not part of the result, nor is what comes after it, even when it spans tokens.
stop=$(head -n 1 greedy | cut -c 3-5)
lancet generate m 'The Eiffel Tower is in' -n 12 --stop "$stop" --json | sed -n 's/^  "end": "\(.*\)".*/\1/p'
test "$(lancet generate m 'The Eiffel Tower is in' -n 12 --stop "$stop")" = "$(head -n 1 greedy | cut -c 1-2)" || echo 'wrong cut'
# What is written is UTF-8, whatever the tokens are and wherever they end, and the same as in the document.
same() {
    lancet generate m "$@" >text
    lancet generate m "$@" --json >json
    python3 -c 'import json; text = open("text", encoding="utf-8", newline="").read(); assert text == json.load(open("json"))["text"] + "\n", text'
}
for n in 1 2 3; do same '全世界最帅的人是' -n $n; done
for seed in 7 8; do same 'The' -n 30 -t 4 --seed $seed; done
grep -c '�' text
lancet generate m '全世界最帅的人是' -n 12 --stop 宝
lancet generate m '全世界最帅的人是' -n 12 --stop nothing --stop '大宝'
lancet generate m 'The' -n 0
lancet generate m 'The' -n 3 --json >json
sed -n '/"generated"/,$s/: ".*/: TEXT/;/"generated"/p' json
grep -c '"id"' json
# What does not fit into the context of the model is not made.
lancet generate m "$(yes the | head -n 29 | tr '\n' ' ')" -n 1000 --json | sed -n 's/^  "end": "\(.*\)".*/\1/p'
try lancet generate m 'The' -t -1
try lancet generate m 'The' -t x
try lancet generate m 'The' --top-p 0
try lancet generate m 'The' --top-p 1.5
try lancet generate m ''
try lancet generate m
try lancet generate m 'The' -n 3 --ids 1
