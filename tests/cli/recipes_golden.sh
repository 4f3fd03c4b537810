# What mergekit refuses or writes nonsense for, and what comes later: refused, before anything is written.
[ -n "$LANCET_DATA" ] && [ -d "$LANCET_DATA/merge-golden" ] || { echo "skipped: LANCET_DATA has no merge-golden"; exit 77; }
out=$PWD/out
cd "$LANCET_DATA/merge-golden" || exit 99
for recipe in recipes/bad-*.yml recipes/tokenizer-*.yml recipes/lora-*.yml recipes/chat-*.yml; do
    for semantics in lancet mergekit; do
        status=0
        lancet merge --semantics $semantics "$recipe" --output "$out" 2>"$out.said" || status=$?
        [ -e "$out" ] && echo "$recipe: there is an output"
        grep -q "$recipe:[0-9][0-9]*:[0-9][0-9]*: " "$out.said" || echo "$recipe: without line and column"
        echo "$(basename "$recipe") $semantics: $status"
    done
done
